"""A process that builds one training step in one library, and runs a round of steps whenever it is told to.

Commands come in as lines of JSON, answers go out as lines of JSON; all else that is printed goes to the error stream.
``run.py`` starts workers: ``python -m speed.worker KIND MODEL BATCH THREADS DEVICE WEIGHTS``. On a GPU a round is timed
from all steps before it done to all of its own done, so it counts the launches as well as the work.

Imports: all that is measured, each when it is asked for. Read next: ``machine.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .work import WORKS

CHECKED_UPDATES = 3  # with the same noise everywhere, before anything is timed
WARM_UP = {"cpu": 3, "cuda": 30}  # steps: a GPU has clocks to raise and graphs to record


def build(kind: str, model: str, batch: int, threads: int, device: str, weights: Path) -> Any:
    """The training step. minigen writes the weights that it starts from; all others read them."""
    if kind.startswith("minigen"):
        in_minigen = importlib.import_module("speed.in_minigen")
        training = in_minigen.Training(model, batch, threads, device, captured=kind == "minigen-captured")
        if kind == "minigen":
            np.savez(weights, **training.weights())
        return training
    with np.load(weights) as file:
        given = dict(file)
    if kind == "jax":
        return importlib.import_module("speed.in_jax").Training(model, batch, given)
    ways = {"tuned": kind == "torch-tuned", "compiled": kind == "torch-compile"}
    return importlib.import_module("speed.in_torch").Training(model, batch, threads, given, device, **ways)


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


def serve(training: Any, first: dict[str, Any], answers: Any) -> None:
    """Answer until told to stop."""
    print(json.dumps(first), file=answers, flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        if not steps:  # the end; kilobytes on Linux, bytes on macOS
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            print(json.dumps({"peak_bytes": peak}), file=answers, flush=True)
            return
        answer = training.rates() if hasattr(training, "rates") else round_of(training, steps)
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Build, compare, warm up, serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kind, model, batch, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    device, weights = sys.argv[5], Path(sys.argv[6])
    if kind == "machine":
        with np.load(weights) as file:
            parameters = sum(file[k].size for k in file.files if ".running_" not in k)
        machine = importlib.import_module("speed.machine").Machine(parameters, device)
        serve(machine, {"parameters": parameters, "versions": machine.versions()}, answers)
        return
    training = build(kind, model, batch, threads, device, weights)
    noise = WORKS[model].fixed_noise(batch)
    start = time.perf_counter()
    losses = [training.losses(noise) for _ in range(CHECKED_UPDATES)]
    training.step()  # compiles
    training.wait()
    compiled = time.perf_counter() - start
    step = round_of(training, WARM_UP[device])["seconds"] / WARM_UP[device]
    answer = {"losses": losses, "versions": training.versions(), "first_seconds": compiled, "step_seconds": step}
    answer["remark"] = training.remark() if hasattr(training, "remark") else ""
    serve(training, answer, answers)


if __name__ == "__main__":
    main()
