"""Pooling and its inverse as layers, for images and sequences. None of them owns parameters.

Imports: autograd, ops, module, checks. Read next: ``checks.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from minigen import ops
from minigen.autograd import Tensor
from minigen.nn.checks import check_input, check_window, positive_int, shape_errors
from minigen.nn.module import Module
from minigen.ops.bias_act import Activation
from minigen.ops.conv import pair
from minigen.ops.conv1d import one
from minigen.ops.interpolate import Mode, factor_pair
from minigen.shapes import flag, one_of
from minigen_kernels import Pair

Size = int | tuple[int, ...]  # a number for all axes, or one for each


class _Pool(Module):
    """What the pooling layers share: the window, and the call of an operation of `ops`."""

    spatial_axes: ClassVar[int] = 2

    def _configure(self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool) -> None:
        name, read = type(self).__name__, pair if self.spatial_axes == 2 else one
        self.kernel_size, self.stride, self.padding = check_window(name, kernel_size, stride, padding, read)
        self.ceil_mode = flag(name, "ceil_mode", ceil_mode)

    def _pool(self, operation: Callable[..., Any], x: Tensor, **options: Any) -> Any:
        check_input(self, x, None, self.spatial_axes)
        with shape_errors(self, "(N, C, H, W) large enough" if self.spatial_axes == 2 else "(N, C, L) long enough", x):
            return operation(x, self.kernel_size, self.stride, self.padding, ceil_mode=self.ceil_mode, **options)


class MaxPool2d(_Pool):
    """The largest value of each window, (N, C, H, W) -> (N, C, oh, ow); with `return_indices` also its position."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        *,
        return_indices: bool = False,
    ) -> None:
        self._configure(kernel_size, stride, padding, ceil_mode)
        self.return_indices = flag("MaxPool2d", "return_indices", return_indices)

    def forward(self, x: Tensor) -> Any:
        return self._pool(ops.max_pool2d_with_indices if self.return_indices else ops.max_pool2d, x)

    def of_bias_act(self, x: Tensor, b: Tensor, activation: Activation | None) -> Tensor:
        """The layer's result for activation(x + b), where it needs no indices; b (C,)."""

        def operation(x: Tensor, *window: Any, **options: Any) -> Tensor:
            return ops.bias_act_max_pool2d(x, b, activation, *window, **options)

        pooled: Tensor = self._pool(operation, x)
        return pooled


class MaxPool1d(_Pool):
    """The largest value of each window, (N, C, L) -> (N, C, o)."""

    spatial_axes = 1

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False
    ) -> None:
        self._configure(kernel_size, stride, padding, ceil_mode)

    def forward(self, x: Tensor) -> Any:
        return self._pool(ops.max_pool1d, x)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._configure(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = flag(type(self).__name__, "count_include_pad", count_include_pad)

    def forward(self, x: Tensor) -> Any:
        operation = ops.avg_pool2d if self.spatial_axes == 2 else ops.avg_pool1d
        return self._pool(operation, x, count_include_pad=self.count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window, (N, C, H, W) -> (N, C, oh, ow)."""


class AvgPool1d(_AvgPool):
    """The mean of each window, (N, C, L) -> (N, C, o)."""

    spatial_axes = 1


class MaxUnpool2d(Module):
    """Pooled values at the positions of the maxima, zeros elsewhere; takes the values and MaxPool2d's indices."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        self.kernel_size, self.stride, self.padding = check_window("MaxUnpool2d", kernel_size, stride, padding, pair)

    def forward(self, x: Tensor, indices: Tensor, output_size: Pair | None = None) -> Tensor:
        check_input(self, x, None)
        with shape_errors(self, "(N, C, H, W) and indices that fit", x):
            return ops.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size=output_size)


class Upsample(Module):
    """Resize images by a factor f: (N, C, H, W) -> (N, C, floor(H*f), floor(W*f)), or to a given `size` (oh, ow).

    The factor is 2 by default, and may be below 1. The mode is "nearest" or "bilinear"; `align_corners` is as in
    `ops.interpolate`.
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

    @property
    def blocks(self) -> Pair | None:
        """The size of the block of equal pixels that each pixel becomes, if it is that; else None."""
        return self._whole_factors if self.mode == "nearest" else None

    @property
    def _whole_factors(self) -> Pair | None:
        factors = self.scale_factor
        whole = factors is not None and factors[0].is_integer() and factors[1].is_integer() and not self.align_corners
        return (int(factors[0]), int(factors[1])) if whole and factors is not None else None

    def forward(self, x: Tensor) -> Tensor:
        check_input(self, x, None)
        if self._whole_factors is not None:
            return ops.upsample(x, self._whole_factors, self.mode)
        with shape_errors(self, "(N, C, H, W) large enough", x):
            return ops.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)


class PixelShuffle(Module):
    """Channels to pixels, the last step of some decoders: (N, C*r*r, H, W) -> (N, C, H*r, W*r); `ops.pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = positive_int("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"(N, C*{self.upscale_factor**2}, H, W)", x):
            return ops.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Module):
    """Pixels to channels: (N, C, H*r, W*r) -> (N, C*r*r, H, W). It undoes `PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = positive_int("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"(N, C, H*{self.downscale_factor}, W*{self.downscale_factor})", x):
            return ops.pixel_unshuffle(x, self.downscale_factor)


__all__ = [
    "AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d", "MaxUnpool2d", "PixelShuffle", "PixelUnshuffle", "Upsample",
]  # fmt: skip
