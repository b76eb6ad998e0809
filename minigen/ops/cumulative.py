"""Sums of all elements so far, and products.

Imports: tensor. Read next: ``order.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.indexing import getitem
from minigen.ops.reduce import sum
from minigen.ops.shape import reshape, transpose
from minigen.shapes import flag, normalize_axis, one_axis
from minigen_kernels import Array


class CumSum(Function):
    """Its gradient is the same from the other end: an element is in its own sum and in all that come later."""

    axis: int
    backwards: bool

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        if self.backwards:
            x = xp.flip(x, self.axis)
        if x.dtype.kind == "f":  # in float32 the sum of a million elements would be 1 % off
            y = xp.cumsum(x, self.axis, dtype=np.float64).astype(x.dtype, copy=False)
        else:
            y = xp.cumsum(x, self.axis)
        return xp.flip(y, self.axis) if self.backwards else y

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return CumSum.apply(gy, axis=self.axis, backwards=not self.backwards)


def cumsum(x: Tensor, axis: int) -> Tensor:
    """The sum of the elements so far along `axis`: y[i] = x[0] + ... + x[i]. The shape is that of x."""
    x = as_tensor(x)
    k = one_axis("cumsum", axis, x.ndim, "; flatten x for the sums of all elements")
    return CumSum.apply(x, axis=k, backwards=False)


def prod(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`, an axis or several (all by default); of no elements it is 1.

    It is multiplied in pairs, then pairs of pairs: no derivative of any order divides, so zeros do no harm.
    """
    x = as_tensor(x)
    axes = normalize_axis("prod", axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    keepdims = flag("prod", "keepdims", keepdims)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
    n = math.prod(x.shape[i] for i in axes)
    if n == 0:
        return reshape(sum(x, axes), shape) + 1
    y = reshape(transpose(x, (*axes, *kept)), (n, *(x.shape[i] for i in kept)))
    left: Tensor | None = None  # the product of those that found no partner
    while n > 1:
        if n % 2:
            last = getitem(y, slice(n - 1, n))
            left = last if left is None else left * last
        n //= 2
        y = getitem(y, slice(0, n)) * getitem(y, slice(n, 2 * n))
    y = y if left is None else y * left
    return reshape(y, shape)


__all__ = ["cumsum", "prod"]
