"""The process that measures one step in one library: it makes a round of steps whenever it is told to.

Commands come in as lines of JSON, answers go out as lines of JSON; all else that is printed goes to the error stream.
The harness starts ``python -m minigen_bench.in_torch KIND STEP BATCH THREADS DEVICE WEIGHTS``, or another library's
file. On a GPU a round is timed from all steps before it done to all of its own done, so it counts the launches as well
as the work.

Imports: NumPy, steps. Read next: ``in_minigen.py``, ``harness.py``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen_bench.steps import STEPS

CHECKED_UPDATES = 3  # with the same noise everywhere, before anything is timed
WARM_UP = {"cpu": 2, "cuda": 30}  # steps: a GPU has clocks to raise and graphs to record
RECORDED = 6  # steps, in minigen: the fifth is the first that is replayed


@dataclass(frozen=True)
class Order:
    """What a worker is to build: words of its command line."""

    kind: str
    step: str
    batch: int
    threads: int
    device: str
    weights: Path

    @classmethod
    def from_words(cls, kind: str, step: str, batch: str, threads: str, device: str, weights: str) -> Order:
        """From the words."""
        return cls(kind, step, int(batch), int(threads), device, Path(weights))

    def read_weights(self) -> dict[str, Any]:
        """The weights that minigen starts from, under PyTorch's names."""
        with np.load(self.weights) as file:
            return dict(file)


def as_number(output: Any) -> float:
    """What stands for an output where libraries are compared: a loss itself, the root mean square of an array."""
    y = np.asarray(output, np.float64)
    return float(np.sqrt(np.mean(y * y))) if y.ndim else float(y)


def round_of(training: Any, steps: int) -> dict[str, float]:
    """Seconds for that many steps, until the host had asked for all, and for which this process had the processor."""
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        training.step()
    host = time.perf_counter() - start
    training.wait()
    return {
        "seconds": time.perf_counter() - start,
        "host_seconds": host,
        "cpu_seconds": time.process_time() - cpu,
    }


def peak_bytes() -> int:
    """The most memory that this process has held."""
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(measure: Callable[[int], dict[str, float]], first: dict[str, Any], answers: Any) -> None:
    """Answer until told to stop."""
    print(json.dumps(first), file=answers, flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        print(json.dumps(measure(steps) if steps else {"peak_bytes": peak_bytes()}), file=answers, flush=True)
        if not steps:
            return


def work(build: Callable[[Order], Any]) -> None:
    """Build, compare, warm up, serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = Order.from_words(*sys.argv[1:])
    training = build(order)
    noise = STEPS[order.step].fixed_noise(order.batch)
    start = time.perf_counter()
    losses = [training.losses(noise) for _ in range(CHECKED_UPDATES)]
    for _ in range(RECORDED if order.kind in ("minigen-compiled", "minigen-captured") else 1):
        training.step()  # compiles
    training.wait()
    compiled = time.perf_counter() - start
    step = round_of(training, WARM_UP[order.device])["seconds"] / WARM_UP[order.device]
    first = {"losses": losses, "versions": training.versions(), "first_seconds": compiled, "step_seconds": step}
    serve(lambda steps: round_of(training, steps), {**first, "remark": training.remark()}, answers)
