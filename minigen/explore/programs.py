"""All networks of a run for a page that computes them itself; weights that several of them have are there once.

Imports: onnx, runs. Read next: ``minigen/onnx/program.py``, ``minigen/pages/static/forward.js``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigen.algorithms.options import ConfigError
from minigen.algorithms.user_code import UserCodeError
from minigen.onnx import ExportError
from minigen.onnx.program import program
from minigen.runs.parts import examples, networks_of, part_of
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
            made = program_of(run, name)
        except (ConfigError, ExportError, UserCodeError) as error:
            raise ConfigError(
                f"a page of {run.recipe.name} cannot compute its {name}; leave -o out, then minigen computes it "
                f"({error})"
            ) from error
        parts[name] = made | {"weights": {key: place(one) for key, one in made["weights"].items()}}
    return {"parts": parts, "weights": weights}


def program_of(trained: Trained, part: str | None = None) -> dict[str, Any]:
    """A part of a run as a program (see ``minigen/runs/parts.py``); None: that which makes images.

    ConfigError: the model has no such part. ExportError: a page has no operation for it.
    """
    _, chosen = part_of(trained, part)
    return program(
        chosen.function, examples(trained, chosen), input_names=chosen.inputs, output_names=chosen.outputs,
        modules=networks_of(trained),
    )  # fmt: skip
