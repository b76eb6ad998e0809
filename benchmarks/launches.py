"""How many kernels does one training step launch? Of six models, as ``minigen train MODEL --device cuda`` makes it.

    python benchmarks/launches.py [--out FILE] [--models ae,vae]
    PYTHONPATH=tests/cuda_double python benchmarks/launches.py --out FILE     # without a GPU

Counts what minigen launches itself, by name. The double of CuPy in ``tests/cuda_double`` also counts what CuPy and
cuBLAS launch, transfers and waits. Both must see the same launches of minigen: ``on_a_gpu.sh`` compares them. The
double's are kept in ``results/launches-on-the-double.json``, and stand in ``docs/performance.md``.

Imports: minigen. Read next: ``on_a_gpu.sh``.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.device import check_device
from minigen.proving.model_checks import SMALL
from minigen.training.config import resolve
from minigen.training.fit import Means
from minigen.training.in_memory import IN_MEMORY, in_memory_data
from minigen.training.prepare import prepare
from minigen_kernels.cuda.backend import CupyBackend
from minigen_kernels.cuda.launch import using

BATCH, STEPS = 4, 10


class Counting(CupyBackend):
    """Runs kernels, and counts them by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: collections.Counter[str] = collections.Counter()

    def run(self, program: Any, kernel: str, *arguments: Any) -> None:
        self.names[kernel] += 1
        super().run(program, kernel, *arguments)


def measure(model: str) -> dict[str, Any]:
    """The third step of a model: launches by name, on the double also of CuPy's; and the time of later steps."""
    recipe = MODELS[model]
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 28, 28), dtype=np.uint8)
    given = {"dataset": IN_MEMORY, "batch_size": BATCH, "device": "cuda", "doctor": False, "validation": 0.0}
    own = {key: value for key, value in SMALL[model].items() if key in recipe.options}
    prepared = prepare(recipe, resolve(recipe, OPTIONS, {**given, **own}), in_memory_data(images))
    cupy, means = importlib.import_module("cupy"), Means()

    def batches() -> Any:
        while True:
            yield from prepared.batches

    coming = batches()

    def step() -> None:
        means.add(prepared.experiment.step(next(coming)))

    ledger, counting = getattr(cupy, "_ledger", None), Counting()
    with using(counting):
        step(), step()
        counting.names.clear()
        if ledger is not None:
            ledger.reset()
        step()
    found: dict[str, Any] = {"minigen": dict(sorted(counting.names.items())), "of_minigen": counting.names.total()}
    if ledger is not None:
        found["all"] = {str(kind): n for kind, n in sorted(ledger.counts.items())}
        return found  # a time on the double says nothing of a GPU
    cupy.cuda.Device().synchronize()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    found["host_ms"] = 1000 * (time.perf_counter() - start) / STEPS
    cupy.cuda.Device().synchronize()
    found["ms"] = 1000 * (time.perf_counter() - start) / STEPS
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SMALL), help=f"of {', '.join(SMALL)}, with commas between")
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    options = parser.parse_args()
    check_device("cuda")
    found: dict[str, Any] = {}
    for model in options.models.split(","):
        found[model] = measure(model)
        shown = f"{model:<10} {found[model]['of_minigen']:>5} launches of minigen"
        timed = [f"{found[model]['ms']:.2f} ms a step"] if "ms" in found[model] else []
        print(shown, *(f"{kind} {n}" for kind, n in found[model].get("all", {}).items()), *timed, flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
