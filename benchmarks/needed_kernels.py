"""Which kernels each model's first step calls: the list by which they are compiled ahead.

    python benchmarks/needed_kernels.py                     # all models, some minutes
    python benchmarks/needed_kernels.py ae dcgan            # these; the others keep what they have
    python benchmarks/needed_kernels.py ae --check          # is the list that of today?

How convolutions are computed depends on the size of vector registers, so there is a list for each size, and only that
of this processor is written or checked.

Runs ``minigen train MODEL --max-steps 1``, each in a process of its own, and notes the kernels that are loaded or
compiled until the last optimizer has made its update. Writes ``kernels/minigen_kernels/needed.json``, which
``kernels/minigen_kernels/ahead.py`` reads. To be run when kernels or their arguments have changed; an old list makes
the first step slower, never wrong.

Imports: the standard library; in the measured process minigen and Numba. Read next: ``cold_start.py``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from minigen.algorithms.catalog import MODELS
from minigen_kernels import ahead
from minigen_kernels.cpu.lanes import REGISTER_BYTES


def called_in_first_step(model: str) -> list[str]:
    """The kernels that a training of this model calls in a new process, in order."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        words = [sys.executable, __file__, "--measure", str(answer), model]
        env = {**os.environ, ahead.SWITCH: "0"}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        if not answer.exists():
            sys.exit(f"needed_kernels.py: minigen train {model} made no update:\n{done.stdout}{done.stderr}")
        return list(json.loads(answer.read_text(encoding="utf-8")))


def measured_process(answer: Path, model: str) -> None:
    """What the new process does."""
    cli, optim = importlib.import_module("minigen.cli"), importlib.import_module("minigen.optim")
    cache = importlib.import_module("minigen_kernels.cpu.cache").KernelCache
    called: list[str] = []
    load, step = cache.load_overload, optim.Optimizer.step

    def load_overload(kept: Any, types: Any, target_context: Any) -> Any:
        called.append(ahead.written(kept._py_func, types))
        return load(kept, types, target_context)

    def watched(optimizer: Any) -> None:
        step(optimizer)
        answer.write_text(json.dumps(called), encoding="utf-8")

    cache.load_overload, optim.Optimizer.step = load_overload, watched
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["minigen", "train", model, "--max-steps", "1", "--out", str(Path(folder) / "run")]
        cli.main()


def text_of(lists: dict[str, dict[str, list[str]]]) -> str:
    """The lists as JSON: all kernels, a line each, and for each size of registers and each model their numbers."""
    kernels = sorted({kernel for called in lists.values() for some in called.values() for kernel in some})
    numbers = {kernel: number for number, kernel in enumerate(kernels)}
    lines, parts = ",\n    ".join(map(json.dumps, kernels)), []
    for size, called in sorted(lists.items()):
        rows = [
            f"{json.dumps(name)}: {json.dumps([numbers[k] for k in some])}" for name, some in sorted(called.items())
        ]
        inner = ",\n      ".join(rows)
        parts.append(f'"{size}": {{\n      {inner}\n    }}')
    return f'{{\n  "kernels": [\n    {lines}\n  ],\n  "models": {{\n    {", ".join(parts)}\n  }}\n}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="of minigen list; all if none is given")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the list is another one")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.measure:
        measured_process(options.measure, options.models[0])
        return
    kept = json.loads(ahead.NEEDED.read_text(encoding="utf-8")) if ahead.NEEDED.exists() else {"models": {}}
    lists = {
        size: {model: [kept["kernels"][number] for number in numbers] for model, numbers in models.items()}
        for size, models in kept["models"].items()
    }
    before = lists.get(str(REGISTER_BYTES), {})
    called = lists[str(REGISTER_BYTES)] = {model: before[model] for model in MODELS if model in before}
    for model in options.models or MODELS:
        called[model] = called_in_first_step(model)
        print(f"{model}: {len(called[model])} kernels", flush=True)
    if not options.check:
        ahead.NEEDED.write_text(text_of(lists), encoding="utf-8")
        print(f"Kept in {ahead.NEEDED}")
    elif called != before:
        sys.exit("needed_kernels.py: the list is out of date: python benchmarks/needed_kernels.py")


if __name__ == "__main__":
    main()
