"""A test case of `check_layer`: a layer at one set of inputs, copied for each check, so that checks are independent.

Imports: autograd, nn, ops. Read next: ``layer_checks.py``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor, grad
from minigen.random import Generator
from minigen_kernels import Array


class CheckFailed(Exception):  # noqa: N818 - it says what happened
    """A check of a layer has failed; the message says what came instead."""


class CheckSkipped(Exception):  # noqa: N818 - it is no error
    """A check cannot be run here; the message gives the reason."""


@dataclass(frozen=True)
class LayerCase:
    """A layer, one set of inputs, and what the caller of `check_layer` claims of it.

    `make` gives the layer: a new one as its user would make it (`is_new`), or always the one that the user made.
    `inputs`: floating arrays, and whatever else forward takes. `order` and `options` are those of `gradcheck`;
    `batch_independent`: each sample is computed on its own, in evaluation mode.
    """

    make: Callable[[], nn.Module]
    is_new: bool
    inputs: tuple[Any, ...]
    order: int = 2
    seed: int = 0
    batch_independent: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def layer(self, dtype: Any = np.float64) -> nn.Module:
        """A layer of its own in a dtype, its parameters moved a little away from their initial values.

        A gain of exactly 1 and a bias of exactly 0 would hide a gradient that forgets them.
        """
        layer = copy.deepcopy(self.make())
        rng = np.random.default_rng(self.seed)
        for p in layer.parameters():
            if p.dtype.kind == "f":
                u, v = rng.uniform(-1, 1, (2, *p.shape))
                p.data = np.asarray(p.numpy() * (1 + 0.2 * u) + 0.05 * v, p.dtype)
        return layer.to(dtype=dtype)

    def arrays(self, dtype: Any = np.float64) -> tuple[Any, ...]:
        """Copies of the inputs, the floating arrays in a dtype."""
        return tuple(_copy(x, dtype) for x in self.inputs)

    def describe(self) -> str:
        """The inputs in words: "(2, 3) and (3,)"."""
        return " and ".join(str(np.shape(_numbers(x))) if is_array(x) else repr(x) for x in self.inputs) or "no inputs"


def offered_inputs(target: Any, seed: int = 0) -> tuple[Any, ...] | None:
    """What the `example_inputs` of a Module or function gives, with a Generator where it wants `rng`; else None."""
    example = getattr(target, "example_inputs", None)
    if example is None:
        return None
    given = example(**({"rng": Generator(seed)} if "rng" in inspect.signature(example).parameters else {}))
    return tuple(given) if isinstance(given, (tuple, list)) else (given,)


def is_array(x: Any) -> bool:
    """Is it a Tensor or an array?"""
    return isinstance(x, (Tensor, np.ndarray))


def is_floating(x: Any) -> bool:
    """Is it a Tensor or an array that can be differentiated?"""
    return is_array(x) and x.dtype.kind == "f"


def as_tensors(arrays: Sequence[Any]) -> list[Any]:
    """The floating arrays as leaf Tensors that share their memory and require a gradient; all else as it is."""
    return [Tensor(x, requires_grad=True) if is_floating(x) else x for x in arrays]


def outputs_of(layer: nn.Module, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
    """What the layer returns for Tensors and other things, as a tuple of Tensors."""
    y = layer(*inputs)
    ys = tuple(y) if isinstance(y, (tuple, list)) else (y,)
    for i, one in enumerate(ys):
        if not isinstance(one, Tensor):
            place = f"output {i}" if len(ys) > 1 else "the output"
            raise CheckFailed(f"forward has to return a Tensor or a tuple of them; {place} is {type(one).__name__}")
    if not ys:
        raise CheckFailed("forward returns an empty tuple")
    return ys


def gradients_of(ys: Sequence[Tensor], xs: Sequence[Tensor], seed: int) -> list[Array]:
    """The gradients in xs of all floating outputs, weighted with random cotangents."""
    rng = np.random.default_rng(seed)
    terms = [ops.sum(y * Tensor(rng.normal(size=y.shape).astype(y.dtype))) for y in ys if y.requires_grad]
    if not terms or not xs:
        return [np.zeros_like(x.numpy()) for x in xs]
    return [g.numpy() for g in grad(sum(terms[1:], terms[0]), xs)]


def bitwise_equal(a: Array, b: Array) -> bool:
    """Are two arrays the same, NaN like NaN?"""
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def shapes_of(ys: Sequence[Tensor]) -> str:
    """The shapes in words."""
    return " and ".join(str(y.shape) for y in ys)


def _numbers(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x


def _copy(x: Any, dtype: Any) -> Any:
    if is_floating(x):
        return np.array(_numbers(x), dtype, order="C")
    return copy.deepcopy(x)
