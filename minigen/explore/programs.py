"""All networks of a run for a page that computes them itself; weights that several of them have are there once.

Imports: onnx, runs, program. Read next: ``program.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigen.algorithms.options import ConfigError
from minigen.explore.program import program_of
from minigen.onnx import ExportError
from minigen.runs.trained import Trained


def programs_of(run: Trained, names: Iterable[str]) -> dict[str, Any]:
    """{"parts": programs by name, "weights": [...]}; the weights of a program are places in that list.

    ConfigError: a network cannot be computed in a page.
    """
    weights: list[Any] = []
    places: dict[tuple[Any, ...], int] = {}

    def place(weight: dict[str, Any]) -> int:
        key = (weight["dtype"], tuple(weight["shape"]), weight.get("data") or repr(weight.get("values")))
        if key not in places:
            places[key] = len(weights)
            weights.append(weight)
        return places[key]

    parts = {}
    for name in names:
        try:
            program = program_of(run, name)
        except (ConfigError, ExportError) as error:
            raise ConfigError(
                f"a page of {run.recipe.name} cannot compute its {name}; leave -o out, then minigen computes it "
                f"({error})"
            ) from error
        parts[name] = program | {"weights": {key: place(one) for key, one in program["weights"].items()}}
    return {"parts": parts, "weights": weights}
