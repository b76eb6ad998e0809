"""What does `mg.compile` save? The training step of some models, as ``minigen train`` makes it, plain and compiled.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/compiled_steps.py [--out FILE]

Both ways take turns in one process, on images in memory, and the minimum counts; the bits of the networks are compared
at the end. The table of the result stands in ``docs/library.md``; ``tests/benchmarks/test_compiled_steps.py`` compares.

Imports: minigen. Read next: ``minigen/compiling/step.py``.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.compiling import CompiledStep
from minigen.training.config import resolve
from minigen.training.in_memory import IN_MEMORY, in_memory_data
from minigen.training.prepare import Prepared, prepare

NAMES, BATCHES = ("ae", "vae", "gan", "conv-ae"), (16, 128)


def training(model: str, batch: int) -> tuple[Prepared, Any]:
    """A model on random images of 28x28 pixels, and one batch."""
    images = np.random.default_rng(0).integers(0, 256, (2 * batch, 1, 28, 28), dtype=np.uint8)
    given = {
        "dataset": IN_MEMORY,
        "batch_size": batch,
        "device": "cpu",
        "doctor": False,
        "validation": 0.0,
        "threads": 1,
    }
    prepared = prepare(MODELS[model], resolve(MODELS[model], OPTIONS, given), in_memory_data(images))
    return prepared, next(iter(prepared.batches))


def bits(prepared: Prepared) -> list[bytes]:
    """Of all networks."""
    return [a.tobytes() for module in prepared.experiment.modules.values() for a in module.state_dict().values()]


def measure(model: str, batch: int, seconds: float) -> dict[str, Any]:
    """The shortest step in milliseconds, both ways, and the lines of the compiled one."""
    (plain, x), (other, _) = training(model, batch), training(model, batch)
    compiled: CompiledStep[..., Any] = mg.compile(other.experiment.step)
    steps: list[Callable[[Any], Any]] = [plain.experiment.step, compiled]
    for _ in range(8):
        for step in steps:
            step(x)
    shortest, end = [float("inf")] * 2, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for i, step in enumerate(steps):
            for _ in range(5):
                start = time.perf_counter()
                step(x)
                shortest[i] = min(shortest[i], time.perf_counter() - start)
    if compiled.reason is not None or bits(plain) != bits(other):
        raise RuntimeError(
            f"{model}: {compiled.status()}; bits are {'' if bits(plain) == bits(other) else 'not '}equal"
        )
    lines = sum(" = None" not in line for line in compiled.program.splitlines())
    return {
        "model": model,
        "batch": batch,
        "plain_ms": shortest[0] * 1e3,
        "compiled_ms": shortest[1] * 1e3,
        "lines": lines,
    }


def table(result: Mapping[str, Any]) -> str:
    """The result for the page."""
    rows = ["| step, ms | batch | plain | compiled | saved | lines |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in result["steps"]:
        plain, compiled = row["plain_ms"], row["compiled_ms"]
        times = f"{plain:.2f} | {compiled:.2f} | {plain - compiled:.2f}"
        rows.append(f"| {row['model']} | {row['batch']} | {times} | {row['lines']} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print the table, and keep the result."""
    parser = argparse.ArgumentParser(description="training steps, plain and compiled")
    parser.add_argument("--models", default=",".join(NAMES))
    parser.add_argument("--batch", default=",".join(map(str, BATCHES)), help="sizes of batches")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each model and size")
    parser.add_argument("--cpu", default=platform.processor() or platform.machine(), help="its name, for the result")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    pairs = [(model, int(batch)) for model in given.models.split(",") for batch in given.batch.split(",")]
    steps = [measure(model, batch, given.seconds) for model, batch in pairs]
    result = {"minigen": mg.__version__, "numpy": np.__version__, "cpu": given.cpu, "threads": 1, "steps": steps}
    print(table(result))
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
