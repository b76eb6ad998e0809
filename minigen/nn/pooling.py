"""Pooling and its way back as layers. None of them owns parameters.

Imports: tensor, ops, module, checks. Read next: ``checks.py``.
"""

from __future__ import annotations

from typing import Any

from minigen import ops
from minigen.autograd import Tensor
from minigen.nn.checks import check_image, count, shape_errors, window
from minigen.nn.module import Module
from minigen.ops.conv import pair
from minigen.ops.interpolate import Mode, factor_pair
from minigen.shapes import flag, one_of
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
        self.ceil_mode = flag("MaxPool2d", "ceil_mode", ceil_mode)
        self.return_indices = flag("MaxPool2d", "return_indices", return_indices)

    def forward(self, x: Tensor) -> Any:
        check_image(self, x, None)
        pool = ops.max_pool2d_with_indices if self.return_indices else ops.max_pool2d
        with shape_errors(self, "(N, C, H, W) large enough", x):
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
        self.ceil_mode = flag("AvgPool2d", "ceil_mode", ceil_mode)
        self.count_include_pad = flag("AvgPool2d", "count_include_pad", count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        check_image(self, x, None)
        options = dict(ceil_mode=self.ceil_mode, count_include_pad=self.count_include_pad)
        with shape_errors(self, "(N, C, H, W) large enough", x):
            return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding, **options)


class MaxUnpool2d(Module):
    """Pooled values back where the maxima stood, zeros elsewhere; takes the values and MaxPool2d's indices."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        self.kernel_size, self.stride, self.padding = window("MaxUnpool2d", kernel_size, stride, padding)

    def forward(self, x: Tensor, indices: Tensor, output_size: Pair | None = None) -> Tensor:
        check_image(self, x, None)
        with shape_errors(self, "(N, C, H, W) and indices that fit", x):
            return ops.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size=output_size)


class Upsample(Module):
    """Images at another size: (N, C, H, W) -> (N, C, floor(H*f), floor(W*f)), or to a given `size` (oh, ow).

    The factor is 2 unless it or a size is given. Pixels are repeated, or with mode "bilinear" interpolated linearly;
    `align_corners` as in `ops.interpolate`. A factor below 1 makes images smaller.
    """

    def __init__(
        self,
        scale_factor: float | tuple[float, float] | None = None,
        mode: Mode = "nearest",
        *,
        size: int | Pair | None = None,
        align_corners: bool = False,
    ) -> None:
        if scale_factor is not None and size is not None:
            raise ValueError(f"Upsample: give scale_factor or size, not both; got {scale_factor} and {size}")
        one_of("Upsample", "mode", mode, ("nearest", "bilinear"))
        align_corners = flag("Upsample", "align_corners", align_corners)
        if align_corners and mode == "nearest":
            raise ValueError("Upsample: align_corners goes with mode 'bilinear'; 'nearest' has no corners to align")
        self.size = None if size is None else pair("Upsample", "size", size, 1)
        factors = None if size is not None else factor_pair("Upsample", 2 if scale_factor is None else scale_factor)
        self.scale_factor = factors
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        check_image(self, x, None)
        factors = self.scale_factor
        if factors is not None and factors[0].is_integer() and factors[1].is_integer() and not self.align_corners:
            return ops.upsample(x, (int(factors[0]), int(factors[1])), self.mode)
        with shape_errors(self, "(N, C, H, W) large enough", x):
            return ops.interpolate(x, self.size, factors, self.mode, self.align_corners)


class PixelShuffle(Module):
    """Channels to pixels, as a decoder's last step: (N, C*r*r, H, W) -> (N, C, H*r, W*r). See `ops.pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = count("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"(N, C*{self.upscale_factor**2}, H, W)", x):
            return ops.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Module):
    """Pixels to channels: (N, C, H*r, W*r) -> (N, C*r*r, H, W). It undoes `PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = count("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"(N, C, H*{self.downscale_factor}, W*{self.downscale_factor})", x):
            return ops.pixel_unshuffle(x, self.downscale_factor)


__all__ = ["AvgPool2d", "MaxPool2d", "MaxUnpool2d", "PixelShuffle", "PixelUnshuffle", "Upsample"]
