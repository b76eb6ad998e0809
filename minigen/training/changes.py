"""What changed between two sessions of a run: its images, its config.toml by hand, or its end by an option.

The rule: a setting in `CHANGEABLE` is changed by an option of ``--resume``, and written down; no other one changes. A
checkpoint holds the settings that it was trained with, so an edited config.toml is noticed.

Imports: config, checkpoint, prepare, run_folder. Read next: ``session.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.experiment import Recipe
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import Checkpoint
from minigen.training.config import ABSENT, CHANGEABLE, DEFAULTS, planned_steps
from minigen.training.prepare import Prepared
from minigen.training.run_folder import RunFolderError


def check_edits(recipe: Recipe, config: Mapping[str, Any], checkpoint: Checkpoint, file: Path) -> list[str]:
    """Lines on what `config`, read from `file`, has otherwise than the checkpoint, though it may be changed.

    RunFolderError names what may not.
    """
    then = {**DEFAULTS, **recipe.options, **ABSENT, **checkpoint.facts["config"]}
    names = [name for name in config if name != "model" and config[name] != then.get(name)]
    refused = [f"{name} is {config[name]!r} there, not {then.get(name)!r}" for name in names if name not in CHANGEABLE]
    if refused:
        raise RunFolderError(
            f"{file} is not as the run was trained ({Path(checkpoint.path).name}): {', '.join(refused)}. Put it back, "
            f"or start a new run with --config; by --resume and an option can change {', '.join(CHANGEABLE)}"
        )
    return [
        f"{file} has {name} {config[name]}, the checkpoint {then.get(name)}: {config[name]} holds" for name in names
    ]


def schedule_notes(recipe: Recipe, config: Mapping[str, Any], checkpoint: Checkpoint) -> list[str]:
    """A line if what is still to come depends on the planned number of updates, and that has changed; else none."""
    facts = checkpoint.facts
    length, done = facts["data"]["batches_per_epoch"], facts["state"]["step"]
    then, now = (planned_steps(c, length) for c in ({**DEFAULTS, **recipe.options, **facts["config"]}, config))
    tied = schedule_settings(config)
    if not tied or then == now or not done:
        return []
    return [
        f"{' and '.join(tied)}: planned for {then} updates so far, from update {done + 1} on for {now}; the numbers "
        f"are not those of a run of {now} from the start"
    ]


def device_notes(checkpoint: Checkpoint, prepared: Prepared) -> list[str]:
    """A line if the run so far was on another device; else none."""
    facts, now = checkpoint.facts, prepared.device
    then, done = facts.get("device", facts["config"].get("device")), facts["state"]["step"]
    if then == now or not done:
        return []
    return [
        f"on {then} so far, from update {done + 1} on on {prepared.device_line}; another device adds in another order, "
        "so the last bits of numbers differ"
    ]


def check_images(now: Mapping[str, Any], then: Mapping[str, Any], dataset: str) -> None:
    """CheckpointError, which names them, if facts about the images are not what they were; some were not kept once."""
    names = [name for name in now if name in then and now[name] != then[name]]
    if names:
        which = "validation" if all("validation" in name for name in names) else "training"
        changes = "; ".join(f"{name.replace('_', ' ')} {now[name]}, not {then[name]}" for name in names)
        raise CheckpointError(f"the {which} images are not those of the run: {dataset} now has {changes}")


def schedule_settings(config: Mapping[str, Any]) -> list[str]:
    """What in these settings is spread over the planned number of updates: a longer run differs from the start."""
    tied = []
    if config.get("schedule", "constant") != "constant":
        tied.append(f"the learning rate (--schedule {config['schedule']})")
    if config.get("instance_noise"):
        tied.append(f"the noise on images (--instance-noise {config['instance_noise']:g})")
    return tied
