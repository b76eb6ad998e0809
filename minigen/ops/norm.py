"""Batch and layer normalisation: fused kernels for the first order, with the formula beside them for every other order.

Imports: tensor, linalg, kernels. Read next: ``minigen/nn/module.py``.
"""

from __future__ import annotations

import math

from minigen.autograd import FusedFunction, Tensor, as_tensor
from minigen.ops.reduce import deviations, mean
from minigen.ops.shape import reshape
from minigen.shapes import one_number
from minigen_kernels import Array, for_array


class BatchNorm(FusedFunction):
    one_dtype = True
    eps: float
    mean: Array  # (C,) of the batch; saved by forward
    var: Array  # (C,) biased

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        y, self.mean, self.var = for_array(x).batch_norm(_as_ncl(x), w, b, self.eps)
        return y.reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w, _ = (t.data for t in self.inputs)
        gx, gw, gb = for_array(x).batch_norm_backward(_as_ncl(gy), _as_ncl(x), w, self.mean, self.var, self.eps)
        return gx.reshape(x.shape), gw, gb

    def definition(self, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        axes = (0, *range(2, x.ndim))
        deviation = deviations(x, axes)
        variance = mean(deviation * deviation, axes, keepdims=True)
        return deviation * (variance + self.eps) ** -0.5 * _per_channel(w, x) + _per_channel(b, x)


class LayerNorm(FusedFunction):
    one_dtype = True
    eps: float
    mean: Array  # one for each row; saved by forward
    var: Array

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        y, self.mean, self.var = for_array(x).layer_norm(x.reshape(-1, w.size), w.ravel(), b.ravel(), self.eps)
        return y.reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w, _ = (t.data for t in self.inputs)
        rows = (-1, w.size)
        gx, gw, gb = for_array(x).layer_norm_backward(
            gy.reshape(rows), x.reshape(rows), w.ravel(), self.mean, self.var, self.eps
        )
        return gx.reshape(x.shape), gw.reshape(w.shape), gb.reshape(w.shape)

    def definition(self, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        axes = tuple(range(x.ndim - w.ndim, x.ndim))
        deviation = deviations(x, axes)
        variance = mean(deviation * deviation, axes, keepdims=True)
        return deviation * (variance + self.eps) ** -0.5 * w + b


def batch_norm(x: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Normalise: y = (x - mean) / sqrt(var + eps) * w + b, mean and biased variance of each channel of this batch.

    x (N, C) or (N, C, H, W), w and b (C,). Ioffe and Szegedy 2015, arXiv:1502.03167.
    """
    return batch_norm_with_statistics(x, w, b, eps=eps)[0]


def batch_norm_with_statistics(x: Tensor, w: Tensor, b: Tensor, *, eps: float = 1e-5) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_norm`, and the mean and biased variance (C,) of the batch, without gradient."""
    x = as_tensor(x)
    _check_channels("batch_norm", x, w, b)
    count = x.shape[0] * math.prod(x.shape[2:])
    if count < 2:
        raise ValueError(
            f"batch_norm: shape {x.shape} has {count} value{'' if count == 1 else 's'} for each channel; a batch's own "
            "statistics need at least 2 (a larger batch, or eval mode)"
        )
    function = BatchNorm(eps=float(one_number("batch_norm", "eps", eps)))
    y = function(x, w, b)
    return y, Tensor(function.mean), Tensor(function.var)


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


def _as_ncl(x: Array) -> Array:
    """(N, C) or (N, C, H, W) as (N, C, L): all that a channel has in one image as one axis."""
    return x.reshape(x.shape[0], x.shape[1], -1)


def _per_channel(v: Tensor, x: Tensor) -> Tensor:
    return reshape(v, (1, x.shape[1], *(1,) * (x.ndim - 2)))


def _check_channels(name: str, x: Tensor, *vectors: Tensor) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected x (N, C) or (N, C, H, W), got {x.shape}")
    for v in vectors:
        if as_tensor(v).shape != (x.shape[1],):
            raise ValueError(f"{name}: expected one number for each of {x.shape[1]} channels, got {as_tensor(v).shape}")


__all__ = ["batch_norm", "batch_norm_inference", "batch_norm_with_statistics", "layer_norm"]
