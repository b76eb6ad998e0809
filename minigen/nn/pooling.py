"""Pooling and its way back as layers. None of them owns parameters.

Imports: tensor, ops, module, checks. Read next: ``checks.py``.
"""

from __future__ import annotations

from typing import Any, Literal

from minigen import ops
from minigen.nn.checks import check_image, refusing, window
from minigen.nn.module import Module
from minigen.ops.conv import pair
from minigen.tensor import Tensor
from minigen_kernels import Pair


class MaxPool2d(Module):
    """The largest value of each window, (N, C, H, W) -> (N, C, oh, ow); with `return_indices` also where it stands."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        *,
        return_indices: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = window("MaxPool2d", kernel_size, stride, padding)
        self.ceil_mode, self.return_indices = ceil_mode, return_indices

    def forward(self, x: Tensor) -> Any:
        check_image(self, x, None)
        pool = ops.max_pool2d_with_indices if self.return_indices else ops.max_pool2d
        with refusing(self, "(N, C, H, W) large enough", x):
            return pool(x, self.kernel_size, self.stride, self.padding, ceil_mode=self.ceil_mode)


class AvgPool2d(Module):
    """The mean of each window, (N, C, H, W) -> (N, C, oh, ow)."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = window("AvgPool2d", kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        check_image(self, x, None)
        options = dict(ceil_mode=self.ceil_mode, count_include_pad=self.count_include_pad)
        with refusing(self, "(N, C, H, W) large enough", x):
            return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding, **options)


class MaxUnpool2d(Module):
    """Pooled values back where the maxima stood, zeros elsewhere; takes the values and MaxPool2d's indices."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        self.kernel_size, self.stride, self.padding = window("MaxUnpool2d", kernel_size, stride, padding)

    def forward(self, x: Tensor, indices: Tensor, output_size: Pair | None = None) -> Tensor:
        check_image(self, x, None)
        with refusing(self, "(N, C, H, W) and indices that fit", x):
            return ops.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size=output_size)


class Upsample(Module):
    """Images made larger by a whole factor: (N, C, H, W) -> (N, C, H*f, W*f), repeated or interpolated linearly."""

    def __init__(self, scale_factor: int | Pair = 2, mode: Literal["nearest", "bilinear"] = "nearest") -> None:
        self.scale_factor = pair("Upsample", "scale_factor", scale_factor, 1)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f"Upsample: mode is 'nearest' or 'bilinear', got {mode!r}")
        self.mode: Literal["nearest", "bilinear"] = mode

    def forward(self, x: Tensor) -> Tensor:
        check_image(self, x, None)
        return ops.upsample(x, self.scale_factor, self.mode)


__all__ = ["AvgPool2d", "MaxPool2d", "MaxUnpool2d", "Upsample"]
