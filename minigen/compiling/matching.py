"""Whether arguments are of the kind that a step was recorded for, in a microsecond: a function written for this kind.

It agrees with `kind_of`, which takes arguments of any kind apart, where it says yes.

Imports: autograd, capture. Read next: ``step.py``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.capture.arguments import is_array, is_record
from minigen_kernels import Array

Match = Callable[[Any], Sequence[Array] | None]


def matcher(given: Any) -> Match:
    """A function of arguments: the arrays in them if they are as these, but for the numbers in arrays; else None."""
    writer = _Writer()
    writer.look("given", given)
    return writer.function()


def aliases(arrays: Sequence[Array]) -> list[int]:
    """For each array the place at which it stands first: a step may ask whether two arguments are one."""
    first: dict[int, int] = {}
    return [first.setdefault(id(x), i) for i, x in enumerate(arrays)]


class _Writer:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {"Tensor": Tensor, "aliases": aliases}
        self._arrays: list[str] = []
        self._found: list[Array] = []
        self._count = 0

    def look(self, path: str, x: Any) -> None:
        """Write down what has to hold of what is found there."""
        if isinstance(x, Tensor):
            self._must(f"type({path}) is {self._constant(type(x))} and {path}.requires_grad is {x.requires_grad}")
            self.look(self._named(f"{path}.data"), x.data)
        elif isinstance(x, np.ndarray) and is_array(x):
            form = f"{path}.shape == {x.shape} and {path}.strides == {x.strides}"
            self._must(f"type({path}) is {self._constant(type(x))} and {form}")
            self._must(f"{path}.dtype == {self._constant(x.dtype)}")
            self._arrays.append(path)
            self._found.append(x)
        elif isinstance(x, (tuple, list)):
            self._must(f"type({path}) is {self._constant(type(x))} and len({path}) == {len(x)}")
            for i, part in enumerate(x):
                self.look(self._named(f"{path}[{i}]"), part)
        elif isinstance(x, dict):
            self._must(f"type({path}) is {self._constant(type(x))} and list({path}) == {self._constant(list(x))}")
            for key, part in x.items():
                self.look(self._named(f"{path}[{self._constant(key)}]"), part)
        elif is_record(x):
            self._must(f"type({path}) is {self._constant(type(x))}")
            for field in dataclasses.fields(x):
                self.look(self._named(f"{path}.{field.name}"), getattr(x, field.name))
        elif type(x) in (bool, int, str, bytes) or (type(x) is float and math.isfinite(x)):
            same = f"repr({path}) == {repr(x)!r}" if type(x) is float else f"{path} == {self._constant(x)}"
            self._must(f"type({path}) is {type(x).__name__} and {same}")
        else:
            self._must(f"{path} is {self._constant(x)}")

    def function(self) -> Match:
        if len(self._arrays) > 1:
            self._must(f"aliases([{', '.join(self._arrays)}]) == {aliases(self._found)}")
        lines = "\n".join("        " + line for line in [*self._lines, f"return [{', '.join(self._arrays)}]"])
        scope: dict[str, Any] = {}
        exec(f"def make({', '.join(self._constants)}):\n    def match(given):\n{lines}\n    return match\n", scope)
        match: Match = scope["make"](**self._constants)
        return match

    def _must(self, condition: str) -> None:
        self._lines.append(f"if not ({condition}): return None")

    def _named(self, expression: str) -> str:
        self._count += 1
        self._lines.append(f"x{self._count} = {expression}")
        return f"x{self._count}"

    def _constant(self, x: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = x
        return name
