"""Checkpoints of a run: everything that training changes, in one safetensors file.

Arrays are named by what they belong to: ``modules/<name>/<entry of state_dict>`` and ``optimizers/<name>/<entry>``.
All the rest - generators, the place in the data, how far training has come - are `facts`: plain values, kept as JSON
among the strings of the file. Nothing that holds NaN or infinity is ever written.

Imports: serialization, training.experiment. Read next: ``run_folder.py``, ``run.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.serialization import CheckpointError, load, load_metadata, save
from minigen.training.experiment import Experiment
from minigen.training.nonfinite import NonFiniteLoss
from minigen_kernels import Array

FORMAT = 1  # raise it when old checkpoints can no longer be read
KEY = "minigen"  # the string of the file that holds the facts


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. `path` is where it was read, for messages."""

    path: str
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any]


def save_checkpoint(path: str | os.PathLike[str], experiment: Experiment, facts: Mapping[str, Any]) -> None:
    """Write all of `experiment`, and `facts` (JSON-able; "format" and "generators" are added).

    NonFiniteLoss if an array holds NaN or infinity, CheckpointError if the file cannot be written; the file that was
    there before then stays.
    """
    arrays: dict[str, Array] = {}
    for name, module in experiment.modules.items():
        arrays |= {f"modules/{name}/{key}": array for key, array in module.state_dict().items()}
    for name, optimizer in experiment.optimizers.items():
        arrays |= {f"optimizers/{name}/{key}": array for key, array in optimizer.state_dict().items()}
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFiniteLoss(f"{key} holds NaN or infinity; no checkpoint was written")
    generators = {name: generator.state for name, generator in experiment.generators.items()}
    everything = {"format": FORMAT, **facts, "generators": generators}
    save(arrays, path, {KEY: json.dumps(everything, allow_nan=False)})


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint. CheckpointError if the file is missing, damaged, or no checkpoint of a run."""
    arrays, text = load(path), load_metadata(path).get(KEY)
    try:
        facts = json.loads(text or "null")
    except ValueError as error:
        raise CheckpointError(f"{os.fspath(path)}: its facts are no JSON: {error}") from error
    if not isinstance(facts, dict) or "format" not in facts:
        raise CheckpointError(f"{os.fspath(path)} holds arrays, but is no checkpoint of a training run")
    if facts["format"] != FORMAT:
        raise CheckpointError(
            f"{os.fspath(path)} has format {facts['format']!r}, this version of minigen reads {FORMAT}"
        )
    return Checkpoint(os.fspath(path), arrays, facts)


def restore_modules(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """Give the modules their parameters and buffers. CheckpointError names what does not fit."""
    for name, state in _by_name(checkpoint, "modules", experiment.modules).items():
        try:
            experiment.modules[name].load_state_dict(state)
        except ValueError as error:
            raise CheckpointError(f"{checkpoint.path} is of another model: {name}: {error}") from error


def restore(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """Bring modules, optimizers and generators back to the point of the checkpoint. CheckpointError as above."""
    restore_modules(experiment, checkpoint)
    try:
        for name, state in _by_name(checkpoint, "optimizers", experiment.optimizers).items():
            experiment.optimizers[name].load_state_dict(state)
        for name, generator in experiment.generators.items():
            generator.state = checkpoint.facts["generators"][name]
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint.path} does not fit the model: {name}: {error}") from error


def _by_name(checkpoint: Checkpoint, group: str, wanted: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """The arrays of a group, sorted by the module or optimizer that they belong to."""
    found: dict[str, dict[str, Array]] = {name: {} for name in wanted}
    for key, array in checkpoint.arrays.items():
        kind, _, rest = key.partition("/")
        name, _, entry = rest.partition("/")
        if kind == group:
            found.setdefault(name, {})[entry] = array
    if found.keys() != wanted.keys():
        raise CheckpointError(
            f"{checkpoint.path} is of another model: it has the {group} {', '.join(found)}, "
            f"wanted are {', '.join(wanted)}"
        )
    return found
