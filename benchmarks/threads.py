"""Is a training step with several threads ever slower than with one?

    python benchmarks/threads.py --threads 2        # about two minutes

Takes training steps of ``minigen_bench/steps.py`` in turns with 1 and with several threads, in one process, and
compares the minima. On cores that other programs use, a product of matrices waits for its slowest thread, so the times
of long steps are only worth something on a quiet machine, and the load is kept with the result. Writes
``benchmarks/results/threads-<cpu>.json``.

Imports: minigen, minigen_bench. Read next: ``minigen/device.py``, `set_num_threads`.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from minigen_bench.harness import environment, processor
from minigen_bench.steps import STEPS
from minigen_bench.tables import slug

HERE = Path(__file__).resolve().parent
MODELS = ("dense-ae", "conv-ae", "vae", "gan", "dcgan", "wgan-gp")


class Products:
    """The products of matrices of a step, the only part with threads: the shortest time of each, by its place."""

    def __init__(self, kernels: Any) -> None:
        self.matmul, kernels.matmul = kernels.matmul, self.timed
        self.shortest: dict[int, list[float]] = {}
        self.threads = self.place = 0

    def start_step(self, threads: int) -> None:
        """The next product is the first of a step."""
        self.threads, self.place = threads, 0

    def timed(self, a: Any, b: Any) -> Any:
        """In the place of `matmul`."""
        start = time.perf_counter()
        y = self.matmul(a, b)
        seconds = time.perf_counter() - start
        found = self.shortest.setdefault(self.threads, [])
        if self.place == len(found):
            found.append(seconds)
        found[self.place] = min(found[self.place], seconds)
        self.place += 1
        return y


def compare(model: str, batch: int, threads: int, seconds: float) -> dict[str, float]:
    """The shortest step of `model` in milliseconds, with 1 and with `threads` threads, in turns of three steps.

    Beside it the sum over the shortest times of its products: they are short enough to be met undisturbed.
    """
    mg = importlib.import_module("minigen")  # here, in a process whose environment allows BLAS the threads
    training = importlib.import_module("minigen_bench.in_minigen").Training(model, batch, threads)
    products = Products(importlib.import_module("minigen_kernels").for_device("cpu"))
    best = {1: float("inf"), threads: float("inf")}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for n in best:
            mg.set_num_threads(n)
            for k in range(4):
                products.start_step(n)
                start = time.perf_counter()
                training.step()
                if k:  # threads that start or stop are not timed
                    best[n] = min(best[n], time.perf_counter() - start)
    of_products = {n: 1000 * sum(products.shortest.get(n, [])) for n in best}
    return {
        "one_ms": 1000 * best[1],
        "several_ms": 1000 * best[threads],
        "products": len(products.shortest.get(1, [])),
        "products_one_ms": of_products[1],
        "products_several_ms": of_products[threads],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(STEPS)}, with commas between")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=15, help="for each model")
    parser.add_argument("--note", default="", help="a remark that is kept with the result")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the result")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.threads < 2:
        parser.error(f"--threads: expected at least 2, to compare with 1, got {options.threads}")
    if options.measure:
        print(json.dumps(compare(options.measure, options.batch_size, options.threads, options.seconds)))
        return
    env, _ = environment(options.threads)
    models: dict[str, Any] = {}
    for model in options.models.split(","):
        load = os.getloadavg()[0]
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--measure", model], env=env, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"threads.py: {model}:\n{done.stderr}")
        found = models[model] = {**json.loads(done.stdout), "load_before": load}
        times = f"1 thread {found['one_ms']:8.2f} ms, {options.threads} threads {found['several_ms']:8.2f} ms"
        parts = f"{found['products_one_ms']:8.2f} ms, {found['products_several_ms']:8.2f} ms"
        print(f"{model:10} {times}; its {found['products']:3} products {parts}", flush=True)
    machine = {"cpu": processor(), "system": platform.platform(), "cores": os.cpu_count()}
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        "threads": options.threads,
        "batch_size": options.batch_size,
        "note": options.note,
        "models": models,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"threads-{slug(machine['cpu'])}.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"Kept in {file}")


if __name__ == "__main__":
    main()
