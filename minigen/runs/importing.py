"""Weights of other programs into a run: a new last checkpoint, in which the former one is remembered and kept.

Imports: autograd, weights, serialization, training, networks. Read next: ``minigen/weights/matching.py``.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.experiment import Experiment, Recipe
from minigen.autograd import Tensor
from minigen.nn import MovingAverage
from minigen.runs.networks import part_of
from minigen.serialization import CheckpointError
from minigen.training.changes import check_edits
from minigen.training.checkpoint import Checkpoint, restore, take_checkpoint
from minigen.training.facts import check_facts
from minigen.training.prepare import build
from minigen.training.run_folder import RunFolder
from minigen.weights import Plan
from minigen.weights.exchange import plan as plan_of_file


def import_weights(
    folder: RunFolder,
    recipe: Recipe,
    config: Mapping[str, Any],
    path: str | os.PathLike[str],
    part: str | None = None,
    *,
    renames: Mapping[str, str] | None = None,
    by_order: bool = False,
    dry_run: bool = False,
) -> Plan:
    """Give the last checkpoint of a run the weights of a file, or those of one `part`; all that fits, or nothing.

    The former checkpoints stay in the folder under other names. The run has no best checkpoint until its next
    validation; optimizers of what changed start anew; a moving average of a network that changed is set to it. Step,
    place in the data and generators stay. `Plan.notes` says all that; the fact "imports" of the checkpoint says what
    came from where. With `dry_run` nothing is changed, and `Plan.check` is for the caller.

    CheckpointError: the file cannot be read or does not fit, or the checkpoint is damaged. ConfigError: no such part.
    RunFolderError: another process trains in this folder.
    """
    with folder.lock():
        former = folder.read_checkpoint(folder.last)
        check_facts(former, recipe)
        if not folder.in_memory:
            check_edits(recipe, config, former, folder.config)
        experiment = build(recipe, config, former.facts["data"], "cpu", folder.networks(config))
        restore(experiment, former)
        module, shape = part_of(experiment.modules, part), tuple(former.facts["data"]["image_shape"])
        plan = plan_of_file(
            module, path, renames=renames, by_order=by_order, part=part, image_shape=shape
        )  # fmt: skip
        if dry_run:
            return plan
        plan.apply()
        changed = [move.slot.tensor for move in plan.moves]
        plan.notes += [*_follow(experiment, changed), *_reset_optimizers(experiment, changed)]
        kept = _free_names(folder)
        record = _record(plan, part, former, [name.name for name in kept if folder.has(_former(folder, name))])
        facts = {**former.facts, "best": None, "last_terms": {}}
        facts["imports"] = [*former.facts.get("imports", []), record]
        _write(folder, former, take_checkpoint(experiment, facts, folder.last), *kept)
        plan.notes.append(f"The former checkpoints are kept: {', '.join(record['kept'])}")
    return plan


def _follow(experiment: Experiment, changed: Iterable[Tensor]) -> list[str]:
    """Set each moving average of a network that changed to that network, and say so."""
    touched, notes = {id(t) for t in changed}, []
    for name in experiment.ema_modules:
        average = experiment.modules[name]
        if not isinstance(average, MovingAverage) or any(id(t) in touched for _, t in average._named_tensors()):
            continue
        state = average.network.state_dict()
        for other, network in experiment.modules.items():
            own = network.state_dict()
            if _shapes(own) == _shapes(state) and any(id(t) in touched for _, t in network._named_tensors()):
                average.network.load_state_dict(own)
                notes.append(f"{name!r}, the moving average of {other!r}, has its weights now")
    return notes


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in state.items()}


def _reset_optimizers(experiment: Experiment, changed: Iterable[Tensor]) -> list[str]:
    """Give optimizers of Tensors that changed their first state, and say which."""
    touched = {id(t) for t in changed}
    reset = [name for name, one in experiment.optimizers.items() if any(id(p) in touched for p in one.params)]
    for name in reset:
        experiment.optimizers[name].states = experiment.optimizers[name].initial_states()
    return [f"Optimizers that start anew: {', '.join(reset)}"] if reset else []


def _record(plan: Plan, part: str | None, former: Checkpoint, kept: list[str]) -> dict[str, Any]:
    """What the new checkpoint says of this import."""
    return {
        "file": os.path.abspath(plan.file),
        "sha256": hashlib.sha256(Path(plan.file).read_bytes()).hexdigest(),
        "part": part,
        "entries": len(plan.moves),
        "step": former.facts["state"]["step"],
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kept": kept,
    }


def _free_names(folder: RunFolder) -> tuple[Path, Path]:
    """Where the last and the best checkpoint go: names that are not taken."""
    for i in itertools.count(1):
        last, best = (p.with_name(f"{p.stem}-before-import-{i}{p.suffix}") for p in (folder.last, folder.best))
        if not (folder.has(last) or folder.has(best)):
            return last, best
    raise AssertionError  # itertools.count does not end


def _former(folder: RunFolder, kept: Path) -> Path:
    return folder.last if kept.stem.startswith("last") else folder.best


def _write(folder: RunFolder, former: Checkpoint, new: Checkpoint, kept_last: Path, kept_best: Path) -> None:
    """Keep the former checkpoints, and write the new one; whatever fails, the run is as it was.

    A process that is killed leaves the former run, or the new one: the best checkpoint goes when all else is there.
    """
    try:
        folder.write_checkpoint(kept_last, former)
        if folder.has(folder.best):
            folder.copy(folder.best, kept_best)
        folder.write_checkpoint(folder.last, new)
    except BaseException as error:
        folder.remove(kept_best)
        folder.remove(kept_last)
        if isinstance(error, OSError):
            raise CheckpointError(f"cannot write into {folder.path}: {error.strerror or error}") from error
        raise
    folder.remove(folder.best)
