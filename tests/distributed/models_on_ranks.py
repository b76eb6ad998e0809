"""Trains models for some updates on however many ranks there are; rank 0 prints what is left of each, as a checksum.

    mpiexec -n 2 python models_on_ranks.py REPLICAS STEPS [MODEL[:option=value,...]]...

Read next: ``test_same_bits.py``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np
from algorithms.catalog_runs import CLASSES, SHAPE, small_options
from rich.console import Console

from minigen import distributed
from minigen.algorithms.catalog import MODELS
from minigen.runs.sessions import begin_session, train_to_end
from minigen.runs.settings import new_config
from minigen.training.in_memory import IN_MEMORY, in_memory_data

PER_REPLICA = 4


def trained(name: str, replicas: int, steps: int, **own: Any) -> str:
    """The SHA-256 of the last checkpoint and of the table of metrics, without the clock."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (120, *SHAPE), dtype=np.uint8), rng.integers(0, CLASSES, 120)
    general = {key: own.pop(key) for key in ("batch_norm", "device") if key in own}
    options = {
        **small_options(name, **own), "dataset": IN_MEMORY, "batch_size": PER_REPLICA * replicas, "max_steps": steps,
        "replicas": replicas, "epochs": 100, "threads": 1, "device": "cpu", "doctor": False, "log_every": 1,
        **general,
    }  # fmt: skip
    recipe, config = new_config(name, None, options)
    with np.errstate(all="ignore"):
        session, _ = begin_session(recipe, config, options, None, memory_data=in_memory_data(images, labels, None))
        train_to_end(session, Console(quiet=True), lambda: False)
    checkpoint, found = session.folder.read_checkpoint(session.folder.last), hashlib.sha256()
    facts = {key: value for key, value in checkpoint.facts.items() if key != "seconds"}
    found.update(json.dumps(facts, sort_keys=True).encode())
    for key, array in checkpoint.arrays.items():
        found.update(f"{key} {array.dtype} {array.shape}".encode() + array.tobytes())
    rows = [[cell for i, cell in enumerate(row) if i != 3] for row in session.metrics.read()]
    found.update(json.dumps(rows).encode())
    return found.hexdigest()


def main(replicas: str, steps: str, *models: str) -> None:
    """Train them; with no model all of the catalog."""
    world = distributed.init()
    for model in models or MODELS:
        name, _, given = model.partition(":")
        own = {k: json.loads(v) for k, _, v in (pair.partition("=") for pair in given.split(",") if pair)}
        checksum = trained(name, int(replicas), int(steps), **own)
        if world.rank == 0:
            print(model, checksum, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
