"""Convolution layers: of images (N, C, H, W), and of sequences (N, C, L) such as sound or text.

Imports: autograd, ops, module, layers, checks. Read next: ``pooling.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

from minigen import ops
from minigen.autograd import Tensor
from minigen.nn.checks import check_channels, check_input
from minigen.nn.layers import Initializer, weight_and_bias
from minigen.nn.module import Module, ShapeError
from minigen.ops.bias_act import Activation
from minigen.ops.conv import Padding, pair
from minigen.ops.conv1d import Padding1d, one
from minigen.random import Generator
from minigen_kernels import Pair

Size = int | tuple[int, ...]  # a number for all axes, or one for each


class _Convolution(Module):
    """What the four layers share: settings, weight, bias, and the call of an operation of `ops`."""

    operation: ClassVar[Callable[..., Tensor]]
    spatial_axes: ClassVar[int] = 2
    transposed: ClassVar[bool] = False
    kernel_size: Any  # these, and dilation, padding: a pair for images, a number for sequences
    stride: Any

    def _configure(
        self,
        channels: tuple[int, int, int],
        sizes: tuple[Any, ...],
        parameters: tuple[Any, ...],
        output_padding: Any = 0,
    ) -> None:
        """Check the settings and make weight and bias.

        channels: in_channels, out_channels, groups. sizes: kernel_size, stride, padding, dilation. parameters: bias,
        weight_init, rng.
        """
        name = type(self).__name__
        size = functools.partial(pair if self.spatial_axes == 2 else one, name)
        kernel_size, stride, padding, dilation = sizes
        c, k, g = self.in_channels, self.out_channels, self.groups = check_channels(name, *channels)
        self.kernel_size = size("kernel_size", kernel_size, 1)
        self.stride, self.dilation = size("stride", stride, 1), size("dilation", dilation, 1)
        is_word = isinstance(padding, str) and padding in ("same", "valid")  # an array is not compared with words
        self.padding = padding if is_word else size("padding", padding, 0)
        if self.transposed:
            self.output_padding = size("output_padding", output_padding, 0)
            if self.padding == "same" and self.output_padding not in (0, (0, 0)):
                raise ValueError(f"{name}: padding 'same' gives one size, so output_padding is 0; got {output_padding}")
        kernel: tuple[int, ...] = self.kernel_size if self.spatial_axes == 2 else (self.kernel_size,)
        shape = (c, k // g, *kernel) if self.transposed else (k, c // g, *kernel)
        bias, weight_init, rng = parameters
        self.weight, self.bias = weight_and_bias(shape, math.prod(shape[1:]), k, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        return self._convolved(x, self.bias, activation=activation)

    def _convolved(self, x: Tensor, bias: Tensor | None, **end: Any) -> Tensor:
        check_input(self, x, self.in_channels, self.spatial_axes)
        if self.transposed:
            end["output_padding"] = self.output_padding
        try:
            return self.operation(
                x,
                self.weight,
                bias,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
                **end,
            )
        except ValueError as error:
            expected = "H, W) large enough" if self.spatial_axes == 2 else "L) long enough"
            raise ShapeError(self, f"(N, {self.in_channels}, {expected}", x.shape, str(error)) from error


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding | Padding1d = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        sizes = kernel_size, stride, padding, dilation
        self._configure((in_channels, out_channels, groups), sizes, (bias, weight_init, rng))


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding | Padding1d = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        sizes = kernel_size, stride, padding, dilation
        self._configure((in_channels, out_channels, groups), sizes, (bias, weight_init, rng), output_padding)


class Conv2d(_Conv):
    """Convolution: x (N, in, H, W) -> (N, out, oh, ow); weight (out, in/groups, kh, kw), bias (out,).

    oh = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1; padding "same" gives ceil(H / stride). See `ops.conv2d`.
    """

    takes_activation = True
    operation = staticmethod(ops.conv2d)

    def forward(self, x: Tensor, activation: Activation | None = None, upsample: Pair = (1, 1)) -> Tensor:
        return self._convolved(x, self.bias, activation=activation, upsample=upsample)

    def sums(self, x: Tensor) -> Tensor:
        """The convolution without its bias."""
        return self._convolved(x, None)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution: x (N, in, H, W) -> (N, out, oh, ow); weight (in, out/groups, kh, kw), bias (out,).

    oh = (H - 1) stride - 2 padding + dilation (kh - 1) + 1 + output_padding; padding "same" gives H stride. See
    `ops.conv_transpose2d`.
    """

    takes_activation = True
    operation = staticmethod(ops.conv_transpose2d)


class Conv1d(_Conv):
    """Convolution: x (N, in, L) -> (N, out, o); weight (out, in/groups, k), bias (out,).

    o = (L + 2 padding - dilation (k - 1) - 1) // stride + 1; padding "same" gives ceil(L / stride). See `ops.conv1d`.
    """

    takes_activation = True
    operation = staticmethod(ops.conv1d)
    spatial_axes = 1


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution: x (N, in, L) -> (N, out, o); weight (in, out/groups, k), bias (out,).

    o = (L - 1) stride - 2 padding + dilation (k - 1) + 1 + output_padding; padding "same" gives L stride. See
    `ops.conv_transpose1d`.
    """

    takes_activation = True
    operation = staticmethod(ops.conv_transpose1d)
    spatial_axes = 1


__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]
