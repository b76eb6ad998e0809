"""When a checkpoint is damaged: is the other one of the run whole, and what would be lost with it?

Imports: training. Read next: ``trained.py``, ``train.py``.
"""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from minigen.cli.settings import command_line
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import Checkpoint, DamagedCheckpoint, load_checkpoint
from minigen.training.facts import check_facts
from minigen.training.run_folder import RunFolder


def checkpoint_of(folder: RunFolder, name: str) -> Checkpoint:
    """The checkpoint "last" or "best", to go on from.

    CheckpointError: it is damaged; where the other one is whole, the message says how to use it and what it lacks.
    """
    path = {"last": folder.last, "best": folder.best}[name]
    try:
        checkpoint = load_checkpoint(path)
        check_facts(checkpoint)
        return checkpoint
    except CheckpointError as error:
        other = other_checkpoint(folder, path)
        if other is None:
            raise
        step, last = other.facts["state"]["step"], _last_step(folder)
        lost = f"updates {step + 1} to {last}" if last > step else "all that came after it"
        command = command_line("train", "--resume", folder.path, "--checkpoint", Path(other.path).stem)
        raise CheckpointError(
            f"{error}. {other.path} is whole, it holds step {step}; to go on from there: {command} ({lost} are "
            "lost, and will be done again)"
        ) from error


def offer(folder: RunFolder, damaged: Path, error: DamagedCheckpoint) -> CheckpointError:
    """The error of a damaged checkpoint that was to be used, with the other one, if that is whole."""
    other = other_checkpoint(folder, damaged)
    if other is None:
        return error
    step = other.facts["state"]["step"]
    return CheckpointError(
        f"{error}. {other.path} is whole, it holds step {step}: --checkpoint {Path(other.path).stem}"
    )


def other_checkpoint(folder: RunFolder, damaged: Path) -> Checkpoint | None:
    """The other checkpoint of the run, if it is whole."""
    with contextlib.suppress(CheckpointError):
        other = load_checkpoint(folder.last if damaged == folder.best else folder.best)
        check_facts(other)
        return other
    return None


def _last_step(folder: RunFolder) -> int:
    """The last update that the table of metrics knows of; 0 if it tells nothing."""
    with (
        contextlib.suppress(OSError, ValueError, TypeError, KeyError, csv.Error),
        open(folder.metrics, encoding="utf-8-sig", newline="") as file,
    ):
        return max(int(row["step"]) for row in csv.DictReader(file))
    return 0
