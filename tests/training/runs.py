"""Helpers of the tests of whole runs: a small data set, a run in this process, and what it leaves, to be compared."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.training import session
from minigen.training.checkpoint import load_checkpoint
from minigen.training.config import resolve
from minigen.training.prepare import prepare
from minigen.training.progress import Progress
from minigen.training.run_folder import RunFolder
from minigen.training.session import Interrupted


def make_data(path, n=90, side=6):
    """Random images with labels, in a file that `minigen.data.load` reads."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
    np.savez(path, images=images, labels=rng.integers(0, 3, n))
    return path


def run(data, folder, *, model="denoising-ae", resume=False, stop=lambda: False, **settings):
    """Train `model` on the images of the file `data`; return the TrainingSession."""
    recipe = MODELS[model]
    given = {"dataset": str(data), "batch_size": 16, "epochs": 2, "log_every": 1, "threads": 1, **settings}
    prepared = prepare(recipe, resolve(recipe, OPTIONS, given))
    made = session.resume(prepared, RunFolder(folder)) if resume else session.start(prepared, folder)
    with Progress(
        Console(quiet=True),
        epochs=prepared.config["epochs"],
        max_steps=prepared.config["max_steps"],
        steps_per_epoch=len(prepared.batches),
    ) as progress:
        made.train(progress, stop)
    return made


def stopped_and_resumed(data, folder, *, after, **settings):
    """Train without a stop; and once more, stopped after so many steps and resumed. Both have to leave the same.

    The TrainingSession of the first is returned.
    """
    whole = run(data, folder / "whole", **settings)
    steps = iter(range(1, after + 1))
    with pytest.raises(Interrupted):
        run(data, folder / "parts", stop=lambda: next(steps) == after, **settings)
    run(data, folder / "parts", resume=True, **settings)
    assert left_behind(folder / "parts") == left_behind(folder / "whole")
    return whole


def left_behind(folder):
    """Everything a run has left that does not depend on the clock, as values that can be compared."""
    folder = RunFolder(folder)
    files = {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}
    found = {"files": sorted(files - {"journal.jsonl"})}  # killed between the last checkpoint and the look, it has none
    for path in (folder.last, folder.best):
        if path.exists():
            checkpoint = load_checkpoint(path)
            facts = {key: value for key, value in checkpoint.facts.items() if key != "seconds"}
            # how far it was to go then: a run that is resumed with another end may not write its best again
            facts["config"] = {key: value for key, value in facts["config"].items() if key != "max_steps"}
            arrays = {key: (a.dtype.str, a.shape, a.tobytes()) for key, a in checkpoint.arrays.items()}
            found[path.name] = (json.dumps(facts, sort_keys=True), arrays)
    if folder.metrics.exists():
        with open(folder.metrics, newline="") as file:
            found["metrics"] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    found["samples"] = {path.name: path.read_bytes() for path in sorted(folder.samples.iterdir())}
    found["config"] = folder.config.read_text()
    return found


def spawn(*words, stdout=subprocess.PIPE, cwd=None, **environment):
    """The command `minigen` in a process of its own, on one thread; its output is captured."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-m", "minigen", *map(str, words)],
        env={**os.environ, **one, "PYTHONPATH": path, **environment},
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
