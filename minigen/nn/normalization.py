"""Normalisation layers: batch, layer, group and instance norm. Names and defaults are PyTorch's.

Batch norm normalises over the batch. The others normalise each sample separately, so they work for a batch of one.

Imports: autograd, ops, module, checks. Read next: ``pooling.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, note_change
from minigen.nn.checks import positive_int
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.ops.bias_act import Activation
from minigen.ops.norm import batch_norm_with_running_statistics, instance_norm_with_statistics
from minigen.shapes import flag, one_number
from minigen_kernels import Array


class BatchNorm(Module):
    """Normalise each channel of (N, C), (N, C, L) or (N, C, H, W), then scale by weight (C,) and shift by bias (C,).

    In training it uses the mean and the biased variance of the batch, and updates running_mean and running_var
    (unbiased): running = (1 - momentum) * running + momentum * batch, PyTorch's convention. In evaluation it uses the
    running statistics. Ioffe and Szegedy 2015, arXiv:1502.03167.

    Where x is one of several parts of a batch, `across` may make the statistics those of the whole: it gives a function
    that adds a Tensor up over all parts, and their number; or None.
    """

    takes_activation = True
    across: Callable[[], tuple[Callable[[Tensor], Tensor], int] | None] | None = None

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.num_features = positive_int("BatchNorm", "num_features", num_features)
        self.eps, self.momentum = _eps("BatchNorm", eps), _momentum("BatchNorm", momentum)
        self.weight, self.bias = Parameter(_ones(num_features)), Parameter(_zeros(num_features))
        self.running_mean, self.running_var = Tensor(_zeros(num_features)), Tensor(_ones(num_features))

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        c = self.num_features
        if len(x.shape) not in (2, 3, 4) or x.shape[1] != c:
            raise ShapeError(self, f"(N, {c}), (N, {c}, L) or (N, {c}, H, W)", x.shape)
        if not self.training:
            y = ops.batch_norm_inference(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
            return y if activation is None else activation(y)
        n = x.size // c
        whole = None if self.across is None else self.across()
        if whole is not None:
            y = self._over_parts(x, n, *whole)
            return y if activation is None else activation(y)
        if n < 2:
            hint = (
                "The variance of a batch needs two: use a larger batch, or eval(), which takes the running statistics"
            )
            raise ShapeError(self, "with at least 2 values for each channel in training", x.shape, hint)
        running = self.running_mean.data, self.running_var.data
        y, self.running_mean.data, self.running_var.data = batch_norm_with_running_statistics(
            x, self.weight, self.bias, running, momentum=self.momentum, eps=self.eps, activation=activation
        )
        note_change(self.running_mean)
        note_change(self.running_var)
        return y

    def _over_parts(self, x: Tensor, n: int, total: Callable[[Tensor], Tensor], parts: int) -> Tensor:
        """The same with the statistics of a batch of which x, n values a channel, is one of so many equal parts."""
        axes, count = (0, *range(2, x.ndim)), n * parts
        mean = total(ops.sum(x, axis=axes, keepdims=True)) / count
        centred = x - mean
        var = total(ops.sum(centred * centred, axis=axes, keepdims=True)) / count
        shape = (1, -1, *(1,) * (x.ndim - 2))
        for running, now in (self.running_mean, mean.data), (self.running_var, var.data * (count / max(1, count - 1))):
            running.data = running.data * (1 - self.momentum) + now.reshape(-1) * self.momentum
            note_change(running)
        scale = ops.reshape(self.weight, shape) * (var + self.eps) ** -0.5
        return centred * scale + ops.reshape(self.bias, shape)


class LayerNorm(Module):
    """Normalise each sample over its last axes, then scale by weight and shift by bias, both of that shape.

    Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5) -> None:
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        eps = one_number("LayerNorm", "eps", eps)
        if not shape or not eps > 0:
            raise ValueError(f"LayerNorm: expected at least one axis and eps above 0, got {shape} and {eps}")
        self.normalized_shape = tuple(positive_int("LayerNorm", "normalized_shape", n) for n in shape)
        self.eps = float(eps)
        self.weight, self.bias = Parameter(_ones(shape)), Parameter(_zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-len(self.normalized_shape) :]) != self.normalized_shape:
            wanted = ", ".join(["...", *map(str, self.normalized_shape)])
            raise ShapeError(self, f"({wanted})", x.shape)
        return ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


class GroupNorm(Module):
    """Normalise groups of channels of each sample of (N, C, ...), then scale by weight (C,) and shift by bias (C,).

    One group is layer norm over all of a sample, C groups are instance norm. With `affine` False there is no weight and
    no bias. Wu and He 2018, arXiv:1803.08494; see `ops.group_norm`.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        self.num_groups = positive_int("GroupNorm", "num_groups", num_groups)
        self.num_channels = positive_int("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.eps, self.affine = _eps("GroupNorm", eps), flag("GroupNorm", "affine", affine)
        self.weight, self.bias = _weight_and_bias(num_channels, self.affine)

    def forward(self, x: Tensor) -> Tensor:
        c = self.num_channels
        if len(x.shape) < 2 or x.shape[1] != c or 0 in x.shape[1:]:
            raise ShapeError(self, f"(N, {c}, ...)", x.shape)
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, eps=self.eps)


class InstanceNorm(Module):
    """Normalise each channel of each sample of (N, C, L) or (N, C, H, W) over its positions, in evaluation too.

    With `affine` the result is scaled by weight (C,) and shifted by bias (C,). With `track_running_stats` there are
    running averages of the samples' statistics, as in `BatchNorm`, and evaluation uses them. Ulyanov, Vedaldi and
    Lempitsky 2016, arXiv:1607.08022.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        self.num_features = positive_int("InstanceNorm", "num_features", num_features)
        self.eps, self.momentum = _eps("InstanceNorm", eps), _momentum("InstanceNorm", momentum)
        self.affine = flag("InstanceNorm", "affine", affine)
        self.track_running_stats = flag("InstanceNorm", "track_running_stats", track_running_stats)
        self.weight, self.bias = _weight_and_bias(num_features, self.affine)
        self.running_mean = Tensor(_zeros(num_features)) if self.track_running_stats else None
        self.running_var = Tensor(_ones(num_features)) if self.track_running_stats else None

    def forward(self, x: Tensor) -> Tensor:
        c, positions = self.num_features, math.prod(x.shape[2:])
        if len(x.shape) not in (3, 4) or x.shape[1] != c or not positions:
            raise ShapeError(self, f"(N, {c}, L) or (N, {c}, H, W)", x.shape)
        if self.running_mean is not None and self.running_var is not None and not self.training:
            mean, scale = self.running_mean, (self.running_var + self.eps) ** -0.5
            if self.weight is not None:
                scale = scale * self.weight
            per_channel = (c, *(1,) * (x.ndim - 2))
            y = (x - mean.reshape(per_channel)) * scale.reshape(per_channel)
            return y if self.bias is None else ops.bias_act(y, self.bias)
        if positions < 2:
            raise ShapeError(self, "with at least 2 values for each channel of a sample", x.shape)
        y, mean, var = instance_norm_with_statistics(x, self.weight, self.bias, eps=self.eps)
        if self.running_mean is not None and self.running_var is not None and x.shape[0]:
            self._update_running(self.running_mean, mean)
            self._update_running(self.running_var, var * (positions / (positions - 1)))
        return y

    def _update_running(self, running: Tensor, statistic: Tensor) -> None:
        running.data = running.data * (1 - self.momentum) + statistic.data.mean(0) * self.momentum
        note_change(running)


def _eps(layer: str, eps: float) -> float:
    eps = one_number(layer, "eps", eps)
    if not eps > 0:
        raise ValueError(f"{layer}: eps must be above 0, got {eps}")
    return float(eps)


def _momentum(layer: str, momentum: float) -> float:
    momentum = one_number(layer, "momentum", momentum)
    if not 0 <= momentum <= 1:
        raise ValueError(f"{layer}: momentum is the weight of the new batch, from 0 to 1; got {momentum}")
    return float(momentum)


def _ones(shape: int | tuple[int, ...]) -> Array:
    return np.ones(shape, np.float32)


def _zeros(shape: int | tuple[int, ...]) -> Array:
    return np.zeros(shape, np.float32)


def _weight_and_bias(channels: int, affine: bool) -> tuple[Parameter | None, Parameter | None]:
    return (Parameter(_ones(channels)), Parameter(_zeros(channels))) if affine else (None, None)


__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm"]
