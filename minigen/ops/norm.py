"""Batch, layer, group and instance normalisation: fused kernels, and the formula that gives the higher orders.

Layer and instance norm are group norm with one group, and with one for each channel.

Imports: autograd, activations, bias_act, reduce, shape, kernels. Read next: ``minigen/nn/module.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigen.autograd import FusedFunction, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.activations import LeakyReluGradient
from minigen.ops.bias_act import Activation, check_activation, split_activation
from minigen.ops.reduce import deviations, mean
from minigen.ops.shape import reshape
from minigen.shapes import one_number, whole_number
from minigen_kernels import Array, as_ncl, for_array


class BatchNorm(FusedFunction):
    """Its backward, and why it needs a definition: derived in docs/guide/09_batch_norm.md."""

    one_dtype = True
    eps: float
    slope: float = 1.0  # of the leaky ReLU that ends it; 1: none
    momentum: float = 0.0
    running: tuple[Array, Array] | None = None  # mean and variance (C,) before this batch; `forward` saves the new ones
    mean: Array  # (C,) of the batch; saved by forward
    var: Array  # (C,) biased

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        running = (b, b) if self.running is None else self.running  # any two: nobody will ask for the new ones
        numbers = (self.eps, self.momentum, self.slope)
        y, self.mean, self.var, *new = for_array(x).batch_norm(as_ncl(x), w, b, *running, *numbers)
        self.running = new[0], new[1]
        return y.reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w, _ = (t.data for t in self.inputs)
        operands = as_ncl(gy), as_ncl(y), as_ncl(x), w, self.mean, self.var
        gx, gw, gb = for_array(x).batch_norm_backward(*operands, self.eps, self.slope)
        return gx.reshape(x.shape), gw, gb

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        # The signs are those of y: where the definition is rounded to the other side of 0, they would differ.
        gz = gy if self.slope == 1 else LeakyReluGradient.apply(gy, y, slope=self.slope)
        return self._of_definition(lambda z: [(z, gz)])

    def definition(self, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """The normalisation alone, without the activation that ends it."""
        axes = (0, *range(2, x.ndim))
        deviation = deviations(x, axes)
        variance = mean(deviation * deviation, axes, keepdims=True)
        return deviation * (variance + self.eps) ** -0.5 * _per_channel(w, x) + _per_channel(b, x)


class GroupNorm(FusedFunction):
    """x (N, C, ...), w and b (C,): a mean and a variance for each of the groups of channels of a sample."""

    one_dtype = True
    groups: int
    eps: float
    mean: Array  # (N, groups); saved by forward
    var: Array

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        y, self.mean, self.var = for_array(x).group_norm(as_ncl(x), w, b, self.groups, self.eps)
        return y.reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w, _ = (t.data for t in self.inputs)
        operands = as_ncl(gy), as_ncl(x), w, self.mean, self.var
        gx, gw, gb = for_array(x).group_norm_backward(*operands, self.eps)
        return gx.reshape(x.shape), gw, gb

    def definition(self, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        n, size = x.shape[0], math.prod(x.shape[1:]) // self.groups
        deviation = deviations(reshape(x, (n * self.groups, size)), (1,))
        variance = mean(deviation * deviation, 1, keepdims=True)
        z = reshape(deviation * (variance + self.eps) ** -0.5, x.shape)
        return z * _per_channel(w, x) + _per_channel(b, x)


class LayerNorm(FusedFunction):
    """x (..., *S), w and b of shape S: group norm with one group, of samples that have one place."""

    one_dtype = True
    eps: float
    mean: Array  # one for each row; saved by forward
    var: Array

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        rows = x.reshape(-1, w.size, 1)
        y, self.mean, self.var = for_array(x).group_norm(rows, w.ravel(), b.ravel(), 1, self.eps)
        return y.reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w, _ = (t.data for t in self.inputs)
        rows = (-1, w.size, 1)
        gx, gw, gb = for_array(x).group_norm_backward(
            gy.reshape(rows), x.reshape(rows), w.ravel(), self.mean, self.var, self.eps
        )
        return gx.reshape(x.shape), gw.reshape(w.shape), gb.reshape(w.shape)

    def definition(self, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        axes = tuple(range(x.ndim - w.ndim, x.ndim))
        deviation = deviations(x, axes)
        variance = mean(deviation * deviation, axes, keepdims=True)
        return deviation * (variance + self.eps) ** -0.5 * w + b


def batch_norm(x: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5, activation: Activation | None = None) -> Tensor:
    """Normalise: y = (x - mean) / sqrt(var + eps) * w + b, mean and biased variance of each channel of this batch.

    x (N, C) or (N, C, H, W), w and b (C,). `activation` is a function that ends it: `relu` and `leaky_relu` are
    computed in the same pass, as in `bias_act`. Ioffe and Szegedy 2015, arXiv:1502.03167.
    """
    return _batch_norm(x, w, b, eps, activation)[0]


def batch_norm_with_statistics(x: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_norm`, and the mean and biased variance (C,) of the batch, without gradient."""
    y, function = _batch_norm(x, w, b, eps, None)
    return y, Tensor(function.mean), Tensor(function.var)


def batch_norm_with_running_statistics(
    x: Tensor,
    w: Tensor,
    b: Tensor,
    running: tuple[Array, Array],
    *,
    momentum: float,
    eps: float,
    activation: Activation | None,
) -> tuple[Tensor, Array, Array]:
    """`batch_norm`, and what follows on the running mean and variance (C,): they keep 1 - momentum of themselves."""
    y, function = _batch_norm(x, w, b, eps, activation, running=running, momentum=momentum)
    assert function.running is not None
    return y, *function.running


def _batch_norm(
    x: Tensor, w: Tensor, b: Tensor, eps: float, activation: Activation | None, **running: Any
) -> tuple[Tensor, BatchNorm]:
    x = as_tensor(x)
    _check_channels("batch_norm", x, w, b)
    check_activation("batch_norm", activation)
    count = x.shape[0] * math.prod(x.shape[2:])
    if count < 2:
        raise ValueError(
            f"batch_norm: shape {x.shape} has {count} value{'' if count == 1 else 's'} for each channel; a batch's own "
            "statistics need at least 2 (a larger batch, or eval mode)"
        )
    fused, left = split_activation(activation)
    slope = fused.slope if fused.name == "leaky_relu" else 1.0
    if fused.name not in ("leaky_relu", "identity"):
        left = activation
    function = BatchNorm(eps=float(one_number("batch_norm", "eps", eps)), slope=slope, **running)
    y = function(x, w, b)
    return y if left is None else left(y), function


def batch_norm_inference(x: Tensor, mean: Tensor, var: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5) -> Tensor:
    """`batch_norm` with a given mean and variance (C,) instead of the batch's own: what a trained network does.

    The batch may be small, and even empty.
    """
    x = as_tensor(x)
    _check_channels("batch_norm_inference", x, mean, var, w, b)
    scale = w * (var + one_number("batch_norm_inference", "eps", eps)) ** -0.5
    return x * _per_channel(scale, x) + _per_channel(b - mean * scale, x)


def layer_norm(x: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Normalise: y = (x - mean) / sqrt(var + eps) * w + b, mean and biased variance over the last axes (as in w, b).

    x (..., *S), w and b of shape S. Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """
    x, w, b = as_tensor(x), as_tensor(w), as_tensor(b)
    if not w.ndim or w.shape != b.shape or x.shape[-w.ndim :] != w.shape:
        raise ValueError(f"layer_norm: w {w.shape} and b {b.shape} must have the shape of the last axes of x {x.shape}")
    return LayerNorm.apply(x, w, b, eps=float(one_number("layer_norm", "eps", eps)))


def group_norm(
    x: Tensor, num_groups: int, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5
) -> Tensor:
    """Normalise: y = (x - mean) / sqrt(var + eps) * w + b, mean and biased variance of each group of each sample.

    x (N, C, ...): the channels are cut into `num_groups` of C / num_groups neighbours, and a group shares one mean over
    all its values; w and b (C,), or None for 1 and 0. It does not depend on the batch: N may be 1. Wu and He 2018,
    arXiv:1803.08494. A group of one value, which is its own mean, becomes 0 before w and b.
    """
    x = as_tensor(x)
    num_groups = whole_number("group_norm", "num_groups", num_groups, 1)
    _check_samples("group_norm", "(N, C, ...)", x, 2, w, b)
    if x.shape[1] % num_groups:
        raise ValueError(f"group_norm: num_groups={num_groups} must divide the channels of x {x.shape}")
    return _group_norm(x, num_groups, w, b, one_number("group_norm", "eps", eps))[0]


def instance_norm(x: Tensor, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    """`group_norm` with a group for each channel: mean and biased variance over the places of one channel of a sample.

    x (N, C, L) or (N, C, H, W) with at least two places; w and b (C,), or None for 1 and 0. Ulyanov, Vedaldi and
    Lempitsky 2016, arXiv:1607.08022.
    """
    return instance_norm_with_statistics(x, w, b, eps=eps)[0]


def instance_norm_with_statistics(
    x: Tensor, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """`instance_norm`, and the means and biased variances (N, C) of the samples, without gradient."""
    x = as_tensor(x)
    _check_samples("instance_norm", "(N, C, L) or (N, C, H, W)", x, 3, w, b)
    if math.prod(x.shape[2:]) < 2:
        raise ValueError(
            f"instance_norm: shape {x.shape} has {math.prod(x.shape[2:])} value for each channel of a sample; "
            "a mean and a variance of its own need at least 2"
        )
    y, function = _group_norm(x, x.shape[1], w, b, one_number("instance_norm", "eps", eps))
    return y, Tensor(function.mean), Tensor(function.var)


def _group_norm(x: Tensor, groups: int, w: Tensor | None, b: Tensor | None, eps: float) -> tuple[Tensor, GroupNorm]:
    xp, function = array_module(x.data), GroupNorm(groups=groups, eps=float(eps))
    scale = Tensor(xp.ones(x.shape[1], x.dtype)) if w is None else w
    offset = Tensor(xp.zeros(x.shape[1], x.dtype)) if b is None else b
    return function(x, scale, offset), function


def _check_samples(name: str, layout: str, x: Tensor, least: int, *vectors: Tensor | None) -> None:
    if x.ndim < least or 0 in x.shape[1:]:  # of samples there may be none
        raise ValueError(f"{name}: expected x {layout} with at least one channel and place, got {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: x must be float32 or float64, got {x.dtype}; use .to(dtype=...)")
    _check_vectors(name, x, [v for v in vectors if v is not None])


def _per_channel(v: Tensor, x: Tensor) -> Tensor:
    return reshape(v, (1, x.shape[1], *(1,) * (x.ndim - 2)))


def _check_channels(name: str, x: Tensor, *vectors: Tensor) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected x (N, C) or (N, C, H, W), got {x.shape}")
    _check_vectors(name, x, vectors)


def _check_vectors(name: str, x: Tensor, vectors: Sequence[Tensor]) -> None:
    for v in vectors:
        if as_tensor(v).shape != (x.shape[1],):
            raise ValueError(f"{name}: expected one number for each of {x.shape[1]} channels, got {as_tensor(v).shape}")


__all__ = [
    "batch_norm", "batch_norm_inference", "batch_norm_with_statistics", "group_norm", "instance_norm", "layer_norm",
]  # fmt: skip
