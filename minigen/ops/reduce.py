"""Reductions, which make one number of many: sum, mean, max, min, var, norm, prod; cumsum; and broadcasting.

The gradient of a sum is a broadcast, and that of a broadcast a sum, as derived in docs/guide/04_broadcasting.md. `axis`
is an axis, a tuple of axes or None for all; `keepdims` keeps the reduced axes with length 1, as in NumPy.

Imports: autograd, indexing, shape, kernels. Read next: ``softmax.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.indexing import getitem
from minigen.ops.shape import reshape, transpose
from minigen.shapes import can_broadcast, flag, normalize_axis, one_axis, one_number, whole_shape
from minigen_kernels import Array, for_array

Axis = int | tuple[int, ...] | None


class Sum(Function):
    """The sum over some axes, times `scale`. Its gradient is broadcast_to, whose gradient is this."""

    axis: tuple[int, ...]
    keepdims: bool
    scale: float = 1.0

    def forward(self, x: Array) -> Array:
        return sum_axes(x, self.axis, self.keepdims, self.scale)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.sum(x, self.axis, self.keepdims, self.scale)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return expand_reduced(gy if self.scale == 1 else gy * self.scale, self.inputs[0].shape, self.axis)


class BroadcastTo(Function):
    """Repeat along new axes and along axes of length 1."""

    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return array_module(x).broadcast_to(x, self.shape)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.expand(x, self.shape)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return sum_to(gy, self.inputs[0].shape)


class Max(Function):
    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        return x.max(self.axis, keepdims=self.keepdims)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        chosen = x == y.data.reshape(_keepdims_shape(x.shape, self.axis))
        share = chosen.astype(x.dtype) / chosen.sum(self.axis, keepdims=True).astype(x.dtype)
        return expand_reduced(gy, x.shape, self.axis) * Tensor(share)


class Min(Max):
    def forward(self, x: Array) -> Array:
        return x.min(self.axis, keepdims=self.keepdims)


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


class Norm(Function):
    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        scale = _scale(x, self.axis)
        y = sum_axes((x / scale) ** 2, self.axis, keepdims=True) ** 0.5 * scale
        return y if self.keepdims else y.squeeze(self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        infinite = array_module(y.data).where(y.data == 0, np.inf, 0)  # at the origin x / Inf = 0, a subgradient
        return x * expand_reduced(gy / (y + Tensor(infinite.astype(y.dtype))), x.shape, self.axis)


def sum_axes(x: Array, axes: tuple[int, ...], keepdims: bool = False, scale: float = 1.0) -> Array:
    """The sum over axes (from 0 to x.ndim - 1), times `scale`: the one place where the engine adds up.

    Floats are a kernel's work.
    """
    if x.dtype.kind != "f":
        total = x.sum(axes, keepdims=keepdims)
        return total if scale == 1 else total * scale
    y = for_array(x).sum_axes(x, axes, scale)
    return y.reshape(_keepdims_shape(x.shape, axes)) if keepdims else y


def _keepdims_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a reduction over `axis` with keepdims."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def expand_reduced(gy: Tensor, shape: tuple[int, ...], axis: tuple[int, ...]) -> Tensor:
    """What was reduced over `axis` (with or without keepdims), repeated to the shape before the reduction."""
    return broadcast_to(reshape(gy, _keepdims_shape(shape, axis)), shape)


def _scale(x: Array, axis: tuple[int, ...]) -> Array:
    """The largest |x| over `axis`, with keepdims: divided by it, x has powers that cannot overflow. 1 if it is 0."""
    xp = array_module(x)
    # CuPy's max knows no `initial`.
    largest = xp.abs(x).max(axis, keepdims=True) if x.size else xp.zeros(_keepdims_shape(x.shape, axis), x.dtype)
    usable = (largest > 0) & xp.isfinite(largest)  # Inf / Inf would be NaN
    return xp.where(usable, largest, 1).astype(x.dtype)


def reduced_axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    axes = normalize_axis(name, axis, x.ndim)
    if 0 in (x.shape[i] for i in axes):
        raise ValueError(f"{name}: nothing to reduce, x has shape {x.shape} and axis is {axis}")
    return axes


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis`, an axis or several (all by default): the shape of x without those axes."""
    x = as_tensor(x)
    return Sum.apply(x, axis=normalize_axis("sum", axis, x.ndim), keepdims=flag("sum", "keepdims", keepdims))


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`, an axis or several (all by default): the shape of x without those axes."""
    x = as_tensor(x)
    axes = normalize_axis("mean", axis, x.ndim)
    count = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    if count == 0:
        raise ValueError(f"mean: nothing to take the mean of, x has shape {x.shape} and axis is {axis}")
    return Sum.apply(x, axis=axes, keepdims=flag("mean", "keepdims", keepdims), scale=1.0 / count)


def deviations(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x less its mean over the axes (from 0 to x.ndim - 1), accurate also where the mean is large.

    Rounding moves the mean by up to half of its last digit, and all deviations with it. Their own mean tells by how
    much; of exact ones it would be 0 for every x, so to the gradient it is a constant.
    """
    d = x - mean(x, axes, keepdims=True)
    count = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    d.data -= sum_axes(d.data, axes, keepdims=True, scale=1 / count)  # nobody has seen d yet
    return d


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element. Elements that are equally large share the gradient."""
    x = as_tensor(x)
    return Max.apply(x, axis=reduced_axes("max", x, axis), keepdims=flag("max", "keepdims", keepdims))


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element. Elements that are equally small share the gradient."""
    x = as_tensor(x)
    return Min.apply(x, axis=reduced_axes("min", x, axis), keepdims=flag("min", "keepdims", keepdims))


def var(x: Tensor, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The variance: the sum of squared deviations over n - correction. 0 is NumPy's choice, 1 is PyTorch's."""
    x = as_tensor(x)
    axes, correction = reduced_axes("var", x, axis), one_number("var", "correction", correction)
    keepdims = flag("var", "keepdims", keepdims)
    n = math.prod(x.shape[i] for i in axes)
    if n <= correction:
        raise ValueError(f"var: {n} elements and correction={correction} leave nothing to divide by")
    deviation = deviations(x, axes)
    return sum(deviation * deviation, axes, keepdims) * (1 / (n - correction))


def norm(x: Tensor, axis: Axis = None, keepdims: bool = False, *, order: float = 2) -> Tensor:
    """The vector norm over `axis`, (sum |x|^order)^(1/order): order 1, 2 (default), any p > 0, or inf for max |x|.

    At the origin the norm has no derivative; there the gradient is taken as 0, as is that of |x| where x is 0, and so
    are all derivatives of higher order. Near the origin the second derivative grows like 1 / norm: for a penalty that
    is differentiated again there use sqrt(sum(x**2) + eps).
    """
    x = as_tensor(x)
    axes, keepdims = normalize_axis("norm", axis, x.ndim), flag("norm", "keepdims", keepdims)
    order = one_number("norm", "order", order, "; the Frobenius norm of matrices is order 2 over two axes")
    if order == 2:
        return Norm.apply(x, axis=axes, keepdims=keepdims)
    if order == 1:
        return sum(abs(x), axes, keepdims)
    if order == np.inf:
        return max(abs(x), axes, keepdims)
    if not order > 0:
        raise ValueError(f"norm: order must be above 0, got {order}")
    # The norm is s times that of x / s, whatever s: so s may be a constant. Where a power of 0 has no derivative, 1 is
    # added to the base and taken off the result.
    scale, zero = Tensor(_scale(x.data, axes)), Tensor((x.data == 0).astype(x.dtype))
    total = sum((abs(x) / scale + zero) ** float(order) - zero, axes, keepdims=True)
    nothing = Tensor((total.data == 0).astype(x.dtype))
    y = ((total + nothing) ** (1 / order) - nothing) * scale
    return y if keepdims else reshape(y, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`, an axis or several (all by default); of no elements it is 1.

    It is multiplied in pairs, then pairs of pairs: no derivative of any order divides, so zeros do no harm.
    """
    x = as_tensor(x)
    axes = normalize_axis("prod", axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    keepdims = flag("prod", "keepdims", keepdims)
    shape = _keepdims_shape(x.shape, axes) if keepdims else tuple(x.shape[i] for i in kept)
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


def cumsum(x: Tensor, axis: int) -> Tensor:
    """The sum of the elements so far along `axis`: y[i] = x[0] + ... + x[i]. The shape is that of x."""
    x = as_tensor(x)
    k = one_axis("cumsum", axis, x.ndim, "; flatten x for the sums of all elements")
    return CumSum.apply(x, axis=k, backwards=False)


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum over the axes along which `shape` was broadcast to the shape of `x`: the adjoint of `broadcast_to`.

    Derived in docs/guide/04_broadcasting.md.
    """
    x = as_tensor(x)
    shape = shape if type(shape) is tuple else whole_shape("sum_to", shape)
    if x.data.shape == shape:
        return x
    if not can_broadcast(shape, x.shape):
        raise ValueError(f"sum_to: shape {tuple(shape)} was not broadcast to {x.shape}, so nothing can be summed to it")
    lead = x.ndim - len(shape)
    axes = tuple(i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 and x.shape[i] != 1))
    return reshape(Sum.apply(x, axis=axes, keepdims=False), shape)


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` repeated along new leading axes and along axes of length 1, as NumPy does."""
    x = as_tensor(x)
    shape = shape if type(shape) is tuple else whole_shape("broadcast_to", shape)
    if x.shape == shape:
        return x
    if not can_broadcast(x.shape, shape):
        raise ValueError(
            f"broadcast_to: shape {x.shape} cannot be repeated to {shape}; counted from the last, every axis must be "
            "as long as wanted, or 1"
        )
    return BroadcastTo.apply(x, shape=shape)


__all__ = ["broadcast_to", "cumsum", "max", "mean", "min", "norm", "prod", "sum", "sum_to", "var"]
