"""Operations that make one number of many: max, min, var, logsumexp, norm; and softmax, which needs such a number.

`axis` is an axis, a tuple of axes or None for all; `keepdims` keeps the reduced axes with length 1, as in NumPy.

Imports: tensor, elementwise, kernels. Read next: ``linalg.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigen.autograd import (
    Function,
    FusedFunction,
    Tensor,
    add_up,
    as_tensor,
    broadcast_to,
    deviations,
    mean,
    normalize_axis,
    reshape,
    sum,
    transpose,
)
from minigen.device import array_module
from minigen.ops import elementwise
from minigen.shapes import flag, is_whole, one_number
from minigen_kernels import Array, for_array

Axis = int | tuple[int, ...] | None


class Max(Function):
    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        return x.max(self.axis, keepdims=self.keepdims)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        chosen = x == y.data.reshape(_kept(x.shape, self.axis))
        share = chosen.astype(x.dtype) / chosen.sum(self.axis, keepdims=True).astype(x.dtype)
        return _spread(gy, x.shape, self.axis) * Tensor(share)


class Min(Max):
    def forward(self, x: Array) -> Array:
        return x.min(self.axis, keepdims=self.keepdims)


class LogSumExp(Function):
    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        largest = x.max(self.axis, keepdims=True)
        shift = xp.where(xp.isfinite(largest), largest, 0).astype(x.dtype)  # Inf - Inf would be NaN
        with np.errstate(divide="ignore"):  # log 0 = -Inf is right where all of x is -Inf
            y = xp.log(add_up(xp.exp(x - shift), self.axis, keepdims=True)) + shift
        return y if self.keepdims else y.squeeze(self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]  # exp(x - y) would multiply the rounding of y by its size
        return _spread(gy, x.shape, self.axis) * _softmax_over(x, self.axis)


class Norm(Function):
    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        scale = _scale(x, self.axis)
        y = add_up((x / scale) ** 2, self.axis, keepdims=True) ** 0.5 * scale
        return y if self.keepdims else y.squeeze(self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        xp = array_module(y.data)
        length = y + Tensor(
            xp.where(y.data == 0, np.inf, 0).astype(y.dtype)
        )  # at the origin x / Inf = 0, a subgradient
        return x * _spread(gy / length, x.shape, self.axis)


class Softmax(FusedFunction):
    axis: int

    def forward(self, x: Array) -> Array:
        return _by_rows(for_array(x).softmax, self.axis, x)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return _by_rows(for_array(y).softmax_backward, self.axis, gy, y)

    def definition(self, x: Tensor) -> Tensor:
        e = elementwise.exp(_less_largest(x, self.axis))
        return e / sum(e, self.axis, keepdims=True)


class LogSoftmax(FusedFunction):
    axis: int

    def forward(self, x: Array) -> Array:
        return _by_rows(for_array(x).log_softmax, self.axis, x)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return _by_rows(for_array(y).log_softmax_backward, self.axis, gy, y)

    def definition(self, x: Tensor) -> Tensor:
        shifted = _less_largest(x, self.axis)
        return shifted - elementwise.log(sum(elementwise.exp(shifted), self.axis, keepdims=True))


def _softmax_over(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The softmax over several axes: they are moved to the end and made one."""
    if len(axes) == 1:
        return Softmax.apply(x, axis=axes[0])
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    moved = transpose(x, order)
    rows = reshape(moved, (-1, math.prod([x.shape[i] for i in axes])))
    return transpose(reshape(Softmax.apply(rows, axis=1), moved.shape), [order.index(i) for i in range(x.ndim)])


def _less_largest(x: Tensor, axis: int) -> Tensor:
    """The same softmax, without overflow: what is subtracted cancels, so it may be a constant."""
    return x - Tensor(x.data.max(axis, keepdims=True))


def _by_rows(kernel: Callable[..., Array], axis: int, *arrays: Array) -> Array:
    """A kernel of rows (R, K), along an axis of arrays of one shape."""
    moved = [x.swapaxes(axis, -1) for x in arrays]
    y = kernel(*[x.reshape(-1, x.shape[-1]) for x in moved])
    return y.reshape(moved[0].shape).swapaxes(axis, -1)


def _kept(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a reduction over `axis` with keepdims."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def _spread(gy: Tensor, shape: tuple[int, ...], axis: tuple[int, ...]) -> Tensor:
    """What was reduced over `axis` (with or without keepdims), repeated to the shape before the reduction."""
    return broadcast_to(reshape(gy, _kept(shape, axis)), shape)


def _scale(x: Array, axis: tuple[int, ...]) -> Array:
    """The largest |x| over `axis`, with keepdims: divided by it, x has powers that cannot overflow. 1 if it is 0."""
    xp = array_module(x)
    # CuPy's max knows no `initial`.
    largest = xp.abs(x).max(axis, keepdims=True) if x.size else xp.zeros(_kept(x.shape, axis), x.dtype)
    usable = (largest > 0) & xp.isfinite(largest)  # Inf / Inf would be NaN
    return xp.where(usable, largest, 1).astype(x.dtype)


def _reduced_axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    axes = normalize_axis(name, axis, x.ndim)
    if 0 in (x.shape[i] for i in axes):
        raise ValueError(f"{name}: nothing to reduce, x has shape {x.shape} and axis is {axis}")
    return axes


def _one_axis(name: str, x: Tensor, axis: int) -> int:
    if not is_whole(axis):
        raise TypeError(f"{name}: axis is one whole number, got {axis!r}; reshape several axes to one")
    if not x.ndim:
        raise ValueError(f"{name}: x is one number and has no axis; it takes at least a Tensor (K,)")
    return _reduced_axes(name, x, axis)[0]


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element. Elements that are equally large share the gradient."""
    x = as_tensor(x)
    return Max.apply(x, axis=_reduced_axes("max", x, axis), keepdims=flag("max", "keepdims", keepdims))


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element. Elements that are equally small share the gradient."""
    x = as_tensor(x)
    return Min.apply(x, axis=_reduced_axes("min", x, axis), keepdims=flag("min", "keepdims", keepdims))


def var(x: Tensor, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The variance: the sum of squared deviations over n - correction. 0 is NumPy's choice, 1 is PyTorch's."""
    x = as_tensor(x)
    axes, correction = _reduced_axes("var", x, axis), one_number("var", "correction", correction)
    keepdims = flag("var", "keepdims", keepdims)
    n = math.prod(x.shape[i] for i in axes)
    if n <= correction:
        raise ValueError(f"var: {n} elements and correction={correction} leave nothing to divide by")
    deviation = deviations(x, axes)
    return sum(deviation * deviation, axes, keepdims) * (1 / (n - correction))


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` (all axes by default), without overflow: the shape of x without those axes."""
    x = as_tensor(x)
    return LogSumExp.apply(
        x, axis=_reduced_axes("logsumexp", x, axis), keepdims=flag("logsumexp", "keepdims", keepdims)
    )


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
        return sum(elementwise.abs(x), axes, keepdims)
    if order == np.inf:
        return max(elementwise.abs(x), axes, keepdims)
    if not order > 0:
        raise ValueError(f"norm: order must be above 0, got {order}")
    # The norm is s times that of x / s, whatever s: so s may be a constant. Where a power of 0 has no derivative, 1 is
    # added to the base and taken off the result.
    scale, zero = Tensor(_scale(x.data, axes)), Tensor((x.data == 0).astype(x.dtype))
    total = sum((elementwise.abs(x) / scale + zero) ** float(order) - zero, axes, keepdims=True)
    nothing = Tensor((total.data == 0).astype(x.dtype))
    y = ((total + nothing) ** (1 / order) - nothing) * scale
    return y if keepdims else reshape(y, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along one axis: positive numbers that sum to 1. -Inf has 0; all -Inf, or Inf, make NaN."""
    x = as_tensor(x)
    return Softmax.apply(x, axis=_one_axis("softmax", x, axis))


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """log(softmax(x)) along one axis, without overflow and without log(0)."""
    x = as_tensor(x)
    return LogSoftmax.apply(x, axis=_one_axis("log_softmax", x, axis))


__all__ = ["log_softmax", "logsumexp", "max", "mean", "min", "norm", "softmax", "sum", "var"]
