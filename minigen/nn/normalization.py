"""Group and instance norm: layers that normalise each sample by itself, so that a batch of one is as good as any.

Imports: tensor, ops, module, checks. Read next: ``conv1d.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, note_change
from minigen.nn.checks import count
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.ops.norm import instance_norm_with_statistics
from minigen.shapes import flag, one_number


class GroupNorm(Module):
    """Normalise groups of channels of each sample of (N, C, ...), then scale by weight (C,) and shift by bias (C,).

    One group is layer norm over all of a sample, C groups are instance norm. With `affine` False there is no weight and
    no bias. Wu and He 2018, arXiv:1803.08494; see `ops.group_norm`.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        self.num_groups = count("GroupNorm", "num_groups", num_groups)
        self.num_channels = count("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.eps, self.affine = _eps("GroupNorm", eps), flag("GroupNorm", "affine", affine)
        self.weight, self.bias = _scale_and_shift(num_channels, self.affine)

    def forward(self, x: Tensor) -> Tensor:
        c = self.num_channels
        if len(x.shape) < 2 or x.shape[1] != c or 0 in x.shape[1:]:
            raise ShapeError(self, f"(N, {c}, ...)", x.shape)
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, eps=self.eps)


class InstanceNorm(Module):
    """Normalise each channel of each sample of (N, C, L) or (N, C, H, W) over its places; in evaluation just so.

    With `affine` the result is scaled by weight (C,) and shifted by bias (C,). With `track_running_stats` the means of
    the samples' statistics are followed, as in `BatchNorm`, and used in evaluation. Names and defaults are PyTorch's.
    Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022.
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
        self.num_features = count("InstanceNorm", "num_features", num_features)
        momentum = one_number("InstanceNorm", "momentum", momentum)
        affine = flag("InstanceNorm", "affine", affine)
        track_running_stats = flag("InstanceNorm", "track_running_stats", track_running_stats)
        if not 0 <= momentum <= 1:
            raise ValueError(f"InstanceNorm: momentum is the weight of the new batch, from 0 to 1; got {momentum}")
        self.eps, self.momentum = _eps("InstanceNorm", eps), float(momentum)
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight, self.bias = _scale_and_shift(num_features, affine)
        self.running_mean = Tensor(np.zeros(num_features, np.float32)) if track_running_stats else None
        self.running_var = Tensor(np.ones(num_features, np.float32)) if track_running_stats else None

    def forward(self, x: Tensor) -> Tensor:
        c, places = self.num_features, math.prod(x.shape[2:])
        if len(x.shape) not in (3, 4) or x.shape[1] != c or not places:
            raise ShapeError(self, f"(N, {c}, L) or (N, {c}, H, W)", x.shape)
        if self.running_mean is not None and self.running_var is not None and not self.training:
            mean, scale = self.running_mean, (self.running_var + self.eps) ** -0.5
            if self.weight is not None:
                scale = scale * self.weight
            per_channel = (c, *(1,) * (x.ndim - 2))
            y = (x - mean.reshape(per_channel)) * scale.reshape(per_channel)
            return y if self.bias is None else ops.bias_act(y, self.bias)
        if places < 2:
            raise ShapeError(self, "with at least 2 values for each channel of a sample", x.shape)
        y, mean, var = instance_norm_with_statistics(x, self.weight, self.bias, eps=self.eps)
        if self.running_mean is not None and self.running_var is not None and x.shape[0]:
            self._follow(self.running_mean, mean)
            self._follow(self.running_var, var * (places / (places - 1)))
        return y

    def _follow(self, running: Tensor, of_samples: Tensor) -> None:
        running.data = running.data * (1 - self.momentum) + of_samples.data.mean(0) * self.momentum
        note_change(running)


def _eps(layer: str, eps: float) -> float:
    eps = one_number(layer, "eps", eps)
    if not eps > 0:
        raise ValueError(f"{layer}: eps must be above 0, got {eps}")
    return float(eps)


def _scale_and_shift(channels: int, affine: bool) -> tuple[Parameter | None, Parameter | None]:
    if not affine:
        return None, None
    return Parameter(np.ones(channels, np.float32)), Parameter(np.zeros(channels, np.float32))


__all__ = ["GroupNorm", "InstanceNorm"]
