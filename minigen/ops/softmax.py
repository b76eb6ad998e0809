"""Softmax, its logarithm, and the logarithm of a sum of exponentials, of many or of two: none overflows.

Imports: autograd, elementwise, reduce, shape, transcendental, kernels. Read next: ``linalg.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.elementwise import where
from minigen.ops.reduce import Axis, expand_reduced, reduced_axes, sum, sum_axes, sum_to
from minigen.ops.shape import reshape, transpose
from minigen.ops.transcendental import exp, log, sigmoid
from minigen.shapes import flag, one_axis
from minigen_kernels import Array, for_array


class Softmax(FusedFunction):
    """Exponentials divided by their sum over an axis. Derived in docs/guide/10_losses.md."""

    axis: int

    def forward(self, x: Array) -> Array:
        return _by_rows(for_array(x).softmax, self.axis, x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Softmax", x, axis=self.axis)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return _by_rows(for_array(y).softmax_backward, self.axis, gy, y)

    def definition(self, x: Tensor) -> Tensor:
        e = exp(_less_largest(x, self.axis))
        return e / sum(e, self.axis, keepdims=True)


class LogSoftmax(FusedFunction):
    axis: int

    def forward(self, x: Array) -> Array:
        return _by_rows(for_array(x).log_softmax, self.axis, x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("LogSoftmax", x, axis=self.axis)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return _by_rows(for_array(y).log_softmax_backward, self.axis, gy, y)

    def definition(self, x: Tensor) -> Tensor:
        shifted = _less_largest(x, self.axis)
        return shifted - log(sum(exp(shifted), self.axis, keepdims=True))


class LogSumExp(Function):
    """The logarithm of a sum of exponentials; its gradient is softmax. Derived in docs/guide/10_losses.md."""

    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        largest = x.max(self.axis, keepdims=True)
        shift = xp.where(xp.isfinite(largest), largest, 0).astype(x.dtype)  # Inf - Inf would be NaN
        with np.errstate(divide="ignore"):  # log 0 = -Inf is right where all of x is -Inf
            y = xp.log(sum_axes(xp.exp(x - shift), self.axis, keepdims=True)) + shift
        return y if self.keepdims else y.squeeze(self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]  # exp(x - y) would multiply the rounding of y by its size
        return expand_reduced(gy, x.shape, self.axis) * _softmax_over(x, self.axis)


class LogAddExp(Function):
    def forward(self, a: Array, b: Array) -> Array:
        return array_module(a if hasattr(a, "dtype") else b).logaddexp(a, b)

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.logaddexp(a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = (x if isinstance(x, Tensor) else Tensor(x, device=y.device, dtype=y.dtype) for x in self.inputs)
        infinite = (a.data == b.data) & (abs(a.data) == float("inf"))  # Inf - Inf would be NaN: there each has a half
        difference = where(infinite, 0.0, a) - where(infinite, 0.0, b)
        return (
            sum_to(gy * sigmoid(difference), a.shape) if self.needs(0) else None,
            sum_to(gy * sigmoid(-difference), b.shape) if self.needs(1) else None,
        )


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along one axis: positive numbers that sum to 1. -Inf has 0; all -Inf, or Inf, make NaN."""
    x = as_tensor(x)
    return Softmax.apply(x, axis=_one_axis("softmax", x, axis))


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """log(softmax(x)) along one axis, without overflow and without log(0)."""
    x = as_tensor(x)
    return LogSoftmax.apply(x, axis=_one_axis("log_softmax", x, axis))


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` (all axes by default), without overflow: the shape of x without those axes."""
    x = as_tensor(x)
    return LogSumExp.apply(x, axis=reduced_axes("logsumexp", x, axis), keepdims=flag("logsumexp", "keepdims", keepdims))


def logaddexp(a: Tensor | float, b: Tensor | float) -> Tensor:
    """log(exp(a) + exp(b)), element by element, without overflow; a and b are broadcast."""
    return LogAddExp.apply(a, b)


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
    move = array_module(arrays[0]).moveaxis
    moved = [move(x, axis, -1) for x in arrays]  # of channels that are last in memory a view
    y = kernel(*[x.reshape(-1, x.shape[-1]) for x in moved])
    return move(y.reshape(moved[0].shape), -1, axis)


def _one_axis(name: str, x: Tensor, axis: int) -> int:
    return reduced_axes(name, x, one_axis(name, axis, x.ndim, "; reshape several axes to one"))[0]


__all__ = ["log_softmax", "logaddexp", "logsumexp", "softmax"]
