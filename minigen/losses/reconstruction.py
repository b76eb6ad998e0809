"""Losses of a prediction and a target: squared and absolute error, binary cross-entropy, Gaussian likelihood.

Units and the meaning of `reduction`: see the docstring of the package.

Imports: autograd, ops, kernels. Read next: ``reduction.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from minigen import ops
from minigen.autograd import Function, FusedFunction, Tensor
from minigen.device import array_module
from minigen.losses.reduction import (
    ROUNDING,
    Reduction,
    check_broadcast_to,
    check_reduction,
    check_same_shape,
    check_unit_interval,
    reduce,
    reduction_scale,
)
from minigen.ops.bias_act import check_activation
from minigen.shapes import one_number
from minigen_kernels import Array, for_array


class MseSum(FusedFunction):
    """The sum of (p - t)^2 times `scale`, in one pass over memory."""

    scale: float

    def forward(self, p: Array, t: Array) -> Array:
        return for_array(p).mse_sum(p, t, self.scale)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        p, t = (x.data for x in self.inputs)
        gp = for_array(p).mse_sum_backward(gy, p, t, self.scale)
        return gp if self.needs(0) else None, -gp if self.needs(1) else None

    def definition(self, p: Tensor, t: Tensor) -> Tensor:
        return ops.sum((p - t) ** 2) * self.scale


class HuberSum(FusedFunction):
    """The sum of the elements of `huber` times `scale`, in one pass over memory."""

    delta: float
    scale: float

    def forward(self, p: Array, t: Array) -> Array:
        return for_array(p).huber_sum(p, t, self.delta, self.scale)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        p, t = (x.data for x in self.inputs)
        gp = for_array(p).huber_sum_backward(gy, p, t, self.delta, self.scale)
        return gp if self.needs(0) else None, -gp if self.needs(1) else None

    def definition(self, p: Tensor, t: Tensor) -> Tensor:
        return ops.sum(_huber(p - t, self.delta)) * self.scale


def _huber(d: Tensor, delta: float) -> Tensor:
    c = ops.clip(d, -delta, delta)
    return c * (d - c * 0.5)  # c is d within +-delta and +-delta outside


class MseActSum(FusedFunction):
    """`MseSum` of activation(x) and t, for the activations that often end a decoder."""

    activation: Literal["sigmoid", "tanh"]
    scale: float
    y: Array  # activation(x); saved by forward

    def forward(self, x: Array, t: Array) -> Array:
        total, self.y = for_array(x).mse_act_sum(x, t, self.activation, self.scale)
        return total

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        t, kernels = self.inputs[1].data, for_array(self.y)
        return (
            kernels.mse_act_sum_backward(gy, self.y, t, self.activation, self.scale) if self.needs(0) else None,
            -kernels.mse_sum_backward(gy, self.y, t, self.scale) if self.needs(1) else None,
        )

    def definition(self, x: Tensor, t: Tensor) -> Tensor:
        return ops.sum(((ops.sigmoid if self.activation == "sigmoid" else ops.tanh)(x) - t) ** 2) * self.scale


def mse(
    prediction: Tensor,
    target: Tensor,
    *,
    activation: Callable[[Tensor], Tensor] | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared error, (prediction - target)^2, both of the same shape.

    With an `activation`, that of activation(prediction); `ops.sigmoid` and `ops.tanh` are computed in the same pass.

    Unit: the squared unit of the data; per element ("mean"), per batch ("sum"), per sample ("batchmean").
    """
    check_activation("mse", activation)
    check_reduction("mse", reduction)
    known: Literal["sigmoid", "tanh", ""] = (
        "sigmoid" if activation is ops.sigmoid else "tanh" if activation is ops.tanh else ""
    )
    if activation is not None and (not known or reduction == "none"):
        prediction, known = activation(prediction), ""
    prediction, target = check_same_shape("mse", prediction=prediction, target=target)
    if reduction == "none":
        return (prediction - target) ** 2
    scale = reduction_scale("mse", prediction, reduction)
    if known:
        return MseActSum.apply(prediction, target, activation=known, scale=scale)
    return MseSum.apply(prediction, target, scale=scale)


def l1(prediction: Tensor, target: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Absolute error, |prediction - target|, both of the same shape; the gradient where they are equal is 0.

    Unit: the unit of the data; per element ("mean"), per batch ("sum"), per sample ("batchmean").
    """
    prediction, target = check_same_shape("l1", prediction=prediction, target=target)
    return reduce("l1", ops.abs(prediction - target), reduction)


def huber(prediction: Tensor, target: Tensor, *, delta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """d^2 / 2 where d = prediction - target is within +-delta, else delta (|d| - delta / 2) (Huber 1964).

    Both of the same shape. Unit: the squared unit of the data; per element, batch or sample as in `mse`.
    """
    delta = one_number("huber", "delta", delta)
    if not 0 < delta < math.inf:
        raise ValueError(f"huber: delta must be a finite number above 0, got {delta!r}")
    prediction, target = check_same_shape("huber", prediction=prediction, target=target)
    check_reduction("huber", reduction)
    if reduction == "none":
        return _huber(prediction - target, delta)
    return HuberSum.apply(prediction, target, delta=delta, scale=reduction_scale("huber", prediction, reduction))


class ClampedLog(Function):
    """log x clamped to at least -100, with the derivative 1/x clamped to at most 1e12: finite on all of [0, 1]."""

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        with np.errstate(divide="ignore"):
            return xp.maximum(xp.log(x), -100)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / ops.clip(self.inputs[0], 1e-12)


def clamped_log(x: Tensor) -> Tensor:
    """max(log x, -100), as in PyTorch, because a probability may be rounded to 0."""
    return ClampedLog.apply(x)


class ClampedLog1m(Function):
    """log(1 - x) clamped in the same way; the rounding error of 1 - x is corrected, which matters for small x."""

    def forward(self, x: Array) -> Array:
        xp, y = array_module(x), 1 - x
        with np.errstate(divide="ignore"):  # log(y + e) = log y + e / y for tiny e; log1p takes 5 times as long
            return xp.maximum(xp.log(y) + ((1 - y) - x) / xp.maximum(y, 1e-30), -100)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return -gy / ops.clip(1 - self.inputs[0], 1e-12)


def clamped_log1m(x: Tensor) -> Tensor:
    """max(log(1 - x), -100)."""
    return ClampedLog1m.apply(x)


def bce(
    prediction: Tensor, target: Tensor, *, weight: float | Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Binary cross-entropy of probabilities: -y log p - (1 - y) log(1 - p), p and y of the same shape, in [0, 1].

    Logarithms are clamped to at least -100, as in PyTorch, so that the loss is finite for p = 0 and p = 1. A saturated
    sigmoid has no gradient nevertheless: train on logits, with `bce_with_logits`. `weight`, a number or a Tensor that
    broadcasts to the shape, multiplies each element; "mean" still divides by the number of elements.

    Unit: nats; per element ("mean"), per batch ("sum"), per sample ("batchmean").
    """
    p, y = check_same_shape("bce", prediction=prediction, target=target)
    check_unit_interval("bce", "prediction", p, hint="for values before a sigmoid use bce_with_logits")
    check_unit_interval("bce", "target", y, tolerance=ROUNDING)
    loss = -(y * clamped_log(p) + (1 - y) * clamped_log1m(p))
    return reduce("bce", loss if weight is None else loss * check_broadcast_to("bce", "weight", weight, p), reduction)


class BceWithLogits(Function):
    """log(1 + exp(x)) - x y without cancellation of large numbers: exact where |x| is large and y is 0 or 1.

    Derived in docs/guide/10_losses.md.
    """

    def forward(self, x: Array, y: Array) -> Array:
        return for_array(x).bce_with_logits(x, y)

    def onnx(self, graph: Any, x: Any, y: Any) -> Any:
        return graph.node("Sub", graph.node("Softplus", x), graph.node("Mul", x, y))

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, target = self.inputs
        return (
            gy * (ops.sigmoid(x) - target) if self.needs(0) else None,
            -gy * x if self.needs(1) else None,
        )


class BceWithLogitsSum(FusedFunction):
    """The sum of the elements of `BceWithLogits` times `scale`, in one pass over memory."""

    scale: float

    def forward(self, x: Array, y: Array) -> Array:
        return for_array(x).bce_with_logits_sum(x, y, self.scale)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        x, target = (t.data for t in self.inputs)
        gx = for_array(x).bce_with_logits_sum_backward(gy, x, target, self.scale) if self.needs(0) else None
        return gx, x * (gy * -self.scale) if self.needs(1) else None

    def definition(self, x: Tensor, y: Tensor) -> Tensor:
        return ops.sum(BceWithLogits.apply(x, y)) * self.scale


def bce_with_logits(
    logits: Tensor,
    target: Tensor,
    *,
    pos_weight: float | Tensor | None = None,
    weight: float | Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Binary cross-entropy of p = sigmoid(x), from the logits x: log(1 + exp(x)) - x y; same shapes, y in [0, 1].

    Value and gradient, sigmoid(x) - y, are finite for all finite logits. `pos_weight` w is a weight of the positive
    class, -w y log p - (1 - y) log(1 - p): a number, or a Tensor that broadcasts to the shape of the logits. `weight`,
    of the same kind, multiplies each element; "mean" still divides by the number of elements.

    Unit: nats; per element ("mean"), per batch ("sum"), per sample ("batchmean").
    """
    x, y = check_same_shape("bce_with_logits", logits=logits, target=target)
    check_unit_interval("bce_with_logits", "target", y, tolerance=ROUNDING)
    if pos_weight is None and weight is None and check_reduction("bce_with_logits", reduction) != "none":
        return BceWithLogitsSum.apply(x, y, scale=reduction_scale("bce_with_logits", x, reduction))
    if pos_weight is None:
        loss = BceWithLogits.apply(x, y)
    else:
        positive = check_broadcast_to("bce_with_logits", "pos_weight", pos_weight, x)
        loss = positive * (y * ops.softplus(-x)) + (1 - y) * ops.softplus(x)
    if weight is not None:
        loss = loss * check_broadcast_to("bce_with_logits", "weight", weight, x)
    return reduce("bce_with_logits", loss, reduction)


def gaussian_nll(
    mean: Tensor,
    target: Tensor,
    *,
    var: float | Tensor | None = None,
    logvar: float | Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """-log N(target; mean, var) = (log(2 pi) + log var + (target - mean)^2 / var) / 2, including the constant.

    `mean` and `target` have the same shape. Give the variance as `var` or as its logarithm `logvar`: a number, or a
    Tensor that broadcasts to that shape. For a learned variance use `logvar`, which may be any number.

    Unit: nats; per element ("mean"), per batch ("sum"), per sample ("batchmean"). The loss can be negative, since a
    density can exceed 1.
    """
    mean, target = check_same_shape("gaussian_nll", mean=mean, target=target)
    if var is not None and logvar is None:
        var = check_broadcast_to("gaussian_nll", "var", var, mean)
        _check_positive(var)
        logvar = ops.log(var) if isinstance(var, Tensor) else math.log(var)
    elif logvar is not None and var is None:
        logvar = check_broadcast_to("gaussian_nll", "logvar", logvar, mean)
    else:
        raise ValueError(f"gaussian_nll: give one of var and logvar, got {'none' if var is None else 'both'}")
    precision = ops.exp(-logvar) if isinstance(logvar, Tensor) else math.exp(-logvar)
    nll = (target - mean) ** 2 * precision + logvar + math.log(2 * math.pi)
    return reduce("gaussian_nll", nll * 0.5, reduction)


def _check_positive(var: float | Tensor) -> None:
    if isinstance(var, Tensor):
        smallest = var.data.min() if var.device == "cpu" and var.size else math.inf
    else:
        smallest = var
    if smallest <= 0:
        raise ValueError(f"gaussian_nll: var must be above 0, got {smallest:.6g}; its logarithm is given as logvar")
