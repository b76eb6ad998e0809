"""A random point, and functions with a wrong gradient, for the tests of the checker.

Read next: ``test_checker.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor
from minigen_kernels import Array


def point(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


class Spoilt(Function):
    """The identity, with a gradient spoilt by `spoil`."""

    spoil: Any

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return self.spoil(gy)


def spoilt(fn: Callable[..., Any], spoil: Callable[[Any], Any], i: int = 0) -> Callable[..., Any]:
    """`fn` with a wrong gradient in its input `i`."""

    def wrong(*xs: Any) -> Any:
        return fn(*(Spoilt.apply(x, spoil=spoil) if j == i else x for j, x in enumerate(xs)))

    return wrong
