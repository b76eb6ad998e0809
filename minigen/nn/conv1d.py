"""Convolution and pooling of sequences (N, C, L) as layers: for sound, text and other series.

Imports: tensor, ops, module, layers, checks. Read next: ``embedding.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.autograd import Tensor
from minigen.nn.checks import channels, check_padding, check_sequence, shape_errors
from minigen.nn.layers import Initializer, weight_and_bias
from minigen.nn.module import Module
from minigen.ops.bias_act import Activation
from minigen.ops.conv1d import Length, Padding1d, one
from minigen.random import Generator
from minigen.shapes import flag


class Conv1d(Module):
    """Convolution: x (N, in, L) -> (N, out, o); weight (out, in/groups, k), bias (out,).

    o = (L + 2 padding - dilation (k - 1) - 1) // stride + 1; padding "same" gives ceil(L / stride). See `ops.conv1d`.
    """

    takes_activation = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Length,
        stride: Length = 1,
        padding: Padding1d = 0,
        dilation: Length = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.in_channels, self.out_channels, self.groups = channels("Conv1d", in_channels, out_channels, groups)
        self.kernel_size = one("Conv1d", "kernel_size", kernel_size, 1)
        self.stride, self.dilation = one("Conv1d", "stride", stride, 1), one("Conv1d", "dilation", dilation, 1)
        self.padding: Padding1d
        self.padding = check_padding("Conv1d", padding, one)
        shape = (out_channels, in_channels // groups, self.kernel_size)
        self.weight, self.bias = weight_and_bias(shape, shape[1] * shape[2], out_channels, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        check_sequence(self, x, self.in_channels)
        with shape_errors(self, f"(N, {self.in_channels}, L) long enough", x):
            return ops.conv1d(
                x,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
                activation=activation,
            )


class ConvTranspose1d(Module):
    """Transposed convolution: x (N, in, L) -> (N, out, o); weight (in, out/groups, k), bias (out,).

    o = (L - 1) stride - 2 padding + dilation (k - 1) + 1 + output_padding; padding "same" gives L stride. See
    `ops.conv_transpose1d`.
    """

    takes_activation = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Length,
        stride: Length = 1,
        padding: Padding1d = 0,
        output_padding: Length = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Length = 1,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        name = "ConvTranspose1d"
        self.in_channels, self.out_channels, self.groups = channels(name, in_channels, out_channels, groups)
        self.kernel_size = one(name, "kernel_size", kernel_size, 1)
        self.stride, self.dilation = one(name, "stride", stride, 1), one(name, "dilation", dilation, 1)
        self.padding: Padding1d
        self.padding = check_padding(name, padding, one)
        self.output_padding = one(name, "output_padding", output_padding, 0)
        if self.padding == "same" and self.output_padding:
            raise ValueError(f"{name}: padding 'same' gives one size, so output_padding is 0; got {output_padding}")
        shape = (in_channels, out_channels // groups, self.kernel_size)
        self.weight, self.bias = weight_and_bias(shape, shape[1] * shape[2], out_channels, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        check_sequence(self, x, self.in_channels)
        with shape_errors(self, f"(N, {self.in_channels}, L) long enough", x):
            return ops.conv_transpose1d(
                x,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                output_padding=self.output_padding,
                dilation=self.dilation,
                groups=self.groups,
                activation=activation,
            )


class MaxPool1d(Module):
    """The largest value of each window, (N, C, L) -> (N, C, o)."""

    def __init__(
        self, kernel_size: Length, stride: Length | None = None, padding: Length = 0, ceil_mode: bool = False
    ) -> None:
        self.kernel_size, self.stride, self.padding = _window("MaxPool1d", kernel_size, stride, padding)
        self.ceil_mode = flag("MaxPool1d", "ceil_mode", ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        check_sequence(self, x, None)
        with shape_errors(self, "(N, C, L) long enough", x):
            return ops.max_pool1d(x, self.kernel_size, self.stride, self.padding, ceil_mode=self.ceil_mode)


class AvgPool1d(Module):
    """The mean of each window, (N, C, L) -> (N, C, o)."""

    def __init__(
        self,
        kernel_size: Length,
        stride: Length | None = None,
        padding: Length = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = _window("AvgPool1d", kernel_size, stride, padding)
        self.ceil_mode = flag("AvgPool1d", "ceil_mode", ceil_mode)
        self.count_include_pad = flag("AvgPool1d", "count_include_pad", count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        check_sequence(self, x, None)
        options = dict(ceil_mode=self.ceil_mode, count_include_pad=self.count_include_pad)
        with shape_errors(self, "(N, C, L) long enough", x):
            return ops.avg_pool1d(x, self.kernel_size, self.stride, self.padding, **options)


def _window(layer: str, kernel_size: Length, stride: Length | None, padding: Length) -> tuple[int, int, int]:
    """Kernel, stride (that of the kernel by default) and padding of a pooling window."""
    k, p = one(layer, "kernel_size", kernel_size, 1), one(layer, "padding", padding, 0)
    if 2 * p > k:
        raise ValueError(f"{layer}: padding {p} must be at most half of kernel_size {k}")
    return k, k if stride is None else one(layer, "stride", stride, 1), p


__all__ = ["AvgPool1d", "Conv1d", "ConvTranspose1d", "MaxPool1d"]
