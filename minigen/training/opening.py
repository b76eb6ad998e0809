"""The model of a run with the parameters of one of its checkpoints, for use.

Imports: checkpoint, changes, facts, prepare. Read next: ``session.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.experiment import Experiment, Recipe
from minigen.training.changes import check_edits
from minigen.training.checkpoint import Checkpoint, load_checkpoint, restore_modules
from minigen.training.facts import check_facts
from minigen.training.prepare import build


def open_trained(
    recipe: Recipe,
    config: Mapping[str, Any],
    checkpoint: Checkpoint | Path,
    device: str,
    networks: Mapping[str, Path] | None = None,
) -> tuple[Experiment, Mapping[str, Any]]:
    """The model of a run with the parameters of a checkpoint (or of its file), and the facts about its training images.

    `networks`: as in `build`. CheckpointError if they do not fit.
    """
    if isinstance(checkpoint, Path):
        checkpoint = load_checkpoint(checkpoint)
    check_facts(checkpoint, recipe)
    check_edits(recipe, config, checkpoint, Path(checkpoint.path).parent.parent / "config.toml")
    experiment = build(recipe, config, checkpoint.facts["data"], device, networks)
    restore_modules(experiment, checkpoint)
    return experiment, checkpoint.facts["data"]
