"""Checkpoints of a run: everything that training changes, in one safetensors file.

Arrays are named by what they belong to: ``modules/<name>/<entry of state_dict>`` and ``optimizers/<name>/<entry>``.
All the rest - generators, the place in the data, how far training has come - are `facts`: plain values, kept as JSON
among the strings of the file. Nothing that holds NaN or infinity is ever written.

Among the facts is a checksum of each array, and beside them one of the facts, so that a checkpoint knows when it was
changed. Files of version 0.1.0 have none; they are read without.

Imports: serialization, algorithms.experiment. Read next: ``facts.py``, ``run_folder.py``, ``session.py``.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.algorithms.experiment import Experiment
from minigen.serialization import CheckpointError, load, load_metadata, save
from minigen.training.nonfinite import NonFiniteLoss
from minigen_kernels import Array

FORMAT = 1  # raise it when old checkpoints can no longer be read
KEY = "minigen"  # the string of the file that holds the facts
KEY_SUM = "minigen-crc32"  # the string that holds their checksum


class DamagedCheckpoint(CheckpointError):  # noqa: N818 - the name says what happened
    """A checkpoint file that is missing, cannot be read, or was changed since it was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. `path` is where it was read or belongs, for messages."""

    path: str
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any]


def take_checkpoint(experiment: Experiment, facts: Mapping[str, Any], path: str | os.PathLike[str]) -> Checkpoint:
    """A copy of all of `experiment`, with `facts` (JSON-able; "format", "generators" and "checksums" are added).

    NonFiniteLoss if an array holds NaN or infinity.
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
    checksums = {key: checksum(array) for key, array in arrays.items()}
    everything = {"format": FORMAT, **facts, "generators": generators, "checksums": checksums}
    return Checkpoint(os.fspath(path), arrays, json.loads(json.dumps(everything, allow_nan=False)))


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint to a file. CheckpointError if it cannot be written; what was there before then stays."""
    text = json.dumps(checkpoint.facts, allow_nan=False)
    save(checkpoint.arrays, path, {KEY: text, KEY_SUM: _crc32(text.encode())})


def save_checkpoint(path: str | os.PathLike[str], experiment: Experiment, facts: Mapping[str, Any]) -> None:
    """Write all of `experiment`, and `facts`: `take_checkpoint`, then `write_checkpoint`."""
    write_checkpoint(path, take_checkpoint(experiment, facts, path))


def checksum(array: Array) -> str:
    """CRC-32 of an array's dtype, shape and elements in C order, in hexadecimal."""
    kind = f"{array.dtype.str[1:]} {array.shape}".encode()
    return _crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, zlib.crc32(kind))


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint. DamagedCheckpoint if the file is missing or damaged, and names the entries that are.

    CheckpointError: it is whole, but no checkpoint of a run, or of a version of minigen that this one cannot read.
    """
    name = os.fspath(path)
    try:
        arrays, strings = load(path), load_metadata(path)
    except CheckpointError as error:
        raise DamagedCheckpoint(str(error)) from error
    text = strings.get(KEY, "null")
    if KEY_SUM in strings and strings[KEY_SUM] != _crc32(text.encode()):
        raise DamagedCheckpoint(f"{name} is damaged: its facts have changed since it was written")
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{name} is damaged: its facts are no JSON: {error}") from error
    if not isinstance(facts, dict) or "format" not in facts:
        raise CheckpointError(f"{name} holds arrays, but is no checkpoint of a training run")
    if facts["format"] != FORMAT:
        raise CheckpointError(f"{name} has format {facts['format']!r}, this version of minigen reads {FORMAT}")
    changed = _changed(arrays, facts.get("checksums"), KEY_SUM in strings)
    if changed:
        several = f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise DamagedCheckpoint(
            f"{name} is damaged: since it was written, {', '.join(changed[:SHOWN])}{several} changed"
        )
    return Checkpoint(name, arrays, facts)


SHOWN = 5  # damaged entries that are named


def _changed(arrays: Mapping[str, Array], checksums: Any, summed: bool) -> list[str]:
    """The entries that are not as they were when the file was written; none for a file of the time before checksums."""
    if checksums is None and not summed:
        return []
    if not isinstance(checksums, dict) or not summed:
        return ["the table of checksums"]
    gone = [f"{key} (now missing)" for key in checksums if key not in arrays]
    new = [f"{key} (not there then)" for key in arrays if key not in checksums]
    return gone + new + [key for key, a in arrays.items() if key in checksums and checksum(a) != checksums[key]]


def _crc32(data: bytes | memoryview, start: int = 0) -> str:
    return f"{zlib.crc32(data, start):08x}"


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
        states = checkpoint.facts["generators"]
        _check_names(checkpoint, "generators", states, experiment.generators)
        for name, generator in experiment.generators.items():
            generator.state = states[name]
    except CheckpointError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint.path} does not fit the model: {name}: {error}") from error


def _by_name(checkpoint: Checkpoint, group: str, wanted: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """The arrays of a group, sorted by the module or optimizer that they belong to."""
    found: dict[str, dict[str, Array]] = {name: {} for name in wanted}
    for key, array in checkpoint.arrays.items():
        kind, _, rest = key.partition("/")
        name, _, entry = rest.partition("/")
        if kind == group:
            found.setdefault(name, {})[entry] = array
    _check_names(checkpoint, group, found, wanted)
    return found


def _check_names(checkpoint: Checkpoint, group: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if found.keys() != wanted.keys():
        names, others = ", ".join(found), ", ".join(wanted)
        raise CheckpointError(f"{checkpoint.path} is of another model: it has the {group} {names}, wanted are {others}")
