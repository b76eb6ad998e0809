"""One node of an ONNX graph: its operator, inputs and attributes, and the error that names it.

Operators changed with the versions of ONNX: what was an attribute became an input (axes, pads, limits). `Node.argument`
reads both, so that one function serves all versions. Source: the operators' specification, onnx.ai/onnx/operators.

Imports: autograd. Read next: ``load_elementwise.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen_kernels import Array


class LoadError(ValueError):
    """An ONNX file that is damaged, or asks for what minigen does not have. Names the node, and what to do."""


class Unsupported(LoadError):  # noqa: N818 - it says what the file is
    """What the file asks for is valid, and minigen does not have it."""


@dataclass(frozen=True)
class Node:
    """One application of one operator. An empty name among `inputs` or `outputs` stands for none.

    `opset`: the version of the operators that the file is written in.
    """

    op: str
    name: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def title(self) -> str:
        """How an error names it: "node 'conv1' (Conv)"; without a name, by what it makes."""
        name = repr(self.name) if self.name else f"that makes {next(filter(None, self.outputs), '?')!r}"
        return f"node {name} ({self.op})"

    def error(self, text: str) -> LoadError:
        """The error to raise about what does not fit."""
        return LoadError(f"{self.title}: {text}")

    def refuse(self, text: str) -> Unsupported:
        """The error to raise about what minigen does not have."""
        return Unsupported(f"{self.title}: {text}")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def choice(self, name: str, default: Any, known: Sequence[Any], what: str = "") -> Any:
        """An attribute that is one of `known`; LoadError names what else it is, and says `what` to do."""
        value = self.get(name, default)
        if value not in known:
            listed = ", ".join(map(repr, known))
            raise self.refuse(f"{name}={value!r} is not among what minigen has, {listed}{'; ' + what if what else ''}")
        return value

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        value = self.get(name, default)
        if not isinstance(value, int):
            raise self.error(f"{name} has to be a whole number, got {value!r}")
        return value

    def argument(self, name: str, given: Any = None) -> list[int] | None:
        """Whole numbers that are an attribute in old versions and the input `given` in new ones; None for neither."""
        if given is not None:
            return numbers(given)
        value = self.get(name)
        return None if value is None else [int(v) for v in (value if isinstance(value, (list, tuple)) else [value])]

    def axis(self, axis: int, ndim: int) -> int:
        """An axis counted from 0; LoadError if a value of `ndim` axes does not have it."""
        if not -ndim <= axis < ndim:
            raise self.error(f"axis {axis} is none of a value with {ndim} axes")
        return axis % ndim


def numbers(value: Any) -> list[int]:
    """Whole numbers, from a value of any shape."""
    return [int(v) for v in host(value).ravel()]


def number(value: Any) -> float:
    """The only element of a value, as a Python number of its kind."""
    result: float = host(value).reshape(()).item()
    return result


def host(value: Any) -> Array:
    """The array of a value, on the host."""
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def is_float(value: Any) -> bool:
    """Is it a Tensor of floats, which has a gradient?"""
    return isinstance(value, Tensor) and value.dtype.kind == "f"
