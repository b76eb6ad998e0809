"""The facts of a checkpoint, held to what a run writes: a misspelt or impossible one is named before it is used.

Imports: checkpoint. Read next: ``session.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minigen.algorithms.experiment import Recipe
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Kind:
    """What a fact has to be, in words, and the test for it."""

    words: str
    fits: Callable[[Any], bool]

    def or_none(self) -> Kind:
        """The same, or None."""
        return Kind(f"{self.words}, or null", lambda x: x is None or self.fits(x))

    def named(self) -> Kind:
        """Several of them by name."""
        return Kind(f"{self.words} for each name", lambda x: isinstance(x, dict) and all(map(self.fits, x.values())))

    def times(self, n: int) -> Kind:
        """A list of `n` of them."""
        return Kind(f"{n} times {self.words}", lambda x: isinstance(x, list) and len(x) == n and all(map(self.fits, x)))


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and -math.inf < x < math.inf


TEXT = Kind("a text", lambda x: isinstance(x, str))
NUMBER = Kind("a finite number", _is_number)
COUNT = Kind("a whole number from 0", lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= 0)
LENGTH = Kind("a whole number from 1", lambda x: COUNT.fits(x) and x > 0)
MAPPING = Kind("values by name", lambda x: isinstance(x, dict))

FACTS: Mapping[str, Any] = {
    "model": TEXT,
    "config": {"epochs": LENGTH, "max_steps": LENGTH.or_none()},
    "data": {
        "image_shape": LENGTH.times(3),
        "value_range": NUMBER.times(2),
        "mean": NUMBER,
        "classes": LENGTH.or_none(),
        "batches_per_epoch": LENGTH,
        "images": TEXT,
    },
    "batches": {"epoch": COUNT, "position": COUNT},
    "state": {"step": COUNT, "epoch": COUNT, "batch": COUNT, "totals": NUMBER.named(), "counts": LENGTH.named()},
    "validated": COUNT,
    "last_terms": NUMBER.named().named(),
    "rows": COUNT,
    "seconds": NUMBER,
    "generators": MAPPING.named(),
}
CLASSES = {
    "class_names": Kind("a list of texts", lambda x: isinstance(x, list) and all(map(TEXT.fits, x))),
    "untrained_classes": Kind("a list of whole numbers", lambda x: isinstance(x, list) and all(map(COUNT.fits, x))),
}  # of the data, if they were kept
PLACE = Kind('"cpu" or "cuda"', lambda x: x in ("cpu", "cuda"))  # older versions had it in the config
BEST = {"loss": NUMBER, "epoch": COUNT, "step": COUNT}


def check_facts(checkpoint: Checkpoint, recipe: Recipe | None = None) -> None:
    """CheckpointError, which names the file and the first fact that is missing or is not what it has to be.

    With `recipe` also if the checkpoint is of another model. One of the user's own may be called otherwise by now.
    """
    facts = checkpoint.facts
    try:
        _check(facts, FACTS, "")
        if "device" in facts or facts["config"].get("device") == "auto":
            _check(facts, {**FACTS, "device": PLACE}, "")
        data = facts["data"]
        _check(data, {name: kind for name, kind in CLASSES.items() if name in data}, "data.")
        if "class_names" in data and len(data["class_names"]) != data["classes"]:
            raise ValueError(f"data.class_names are not {data['classes']} names")
        if "best" not in facts:
            raise ValueError("best is missing")
        if facts["best"] is not None:
            _check(facts["best"], BEST, "best.")
            _refuse_others(facts["best"], BEST, "best.")
        _refuse_others(facts["state"], FACTS["state"], "state.")
        if facts["state"]["totals"].keys() != facts["state"]["counts"].keys():
            raise ValueError("state.totals and state.counts have different names")
        length = data["batches_per_epoch"]
        for name, epoch, batch in (
            ("state", facts["state"]["epoch"], facts["state"]["batch"]),
            ("batches", facts["batches"]["epoch"], facts["batches"]["position"]),
        ):
            if epoch * length + batch != facts["state"]["step"]:
                raise ValueError(f"{name} counts {epoch} epochs of {length} and {batch}, state.step is not their sum")
    except ValueError as error:
        raise CheckpointError(f"{checkpoint.path} cannot be used, its facts are damaged: {error}") from error
    if recipe is not None and not recipe.place and recipe.name != facts["model"]:
        raise CheckpointError(f"{checkpoint.path} is of model {facts['model']!r}, the run is of {recipe.name!r}")


def _check(facts: Any, wanted: Mapping[str, Any], path: str) -> None:
    if not isinstance(facts, dict):
        raise ValueError(f"{path.rstrip('.')} is {facts!r}, wanted values by name")
    for name, kind in wanted.items():
        if name not in facts:
            others = ", ".join(sorted(facts.keys() - wanted.keys() - {"best", "checksums", "format", "minigen"}))
            raise ValueError(f"{path}{name} is missing" + (f" (there is {others})" if others else ""))
        if isinstance(kind, Kind):
            if not kind.fits(facts[name]):
                raise ValueError(f"{path}{name} is {facts[name]!r}, wanted {kind.words}")
        else:
            _check(facts[name], kind, f"{path}{name}.")


def _refuse_others(facts: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> None:
    unknown = sorted(facts.keys() - wanted.keys())
    if unknown:
        raise ValueError(f"{path}{unknown[0]} is unknown")
