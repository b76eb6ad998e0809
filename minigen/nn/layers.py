"""The layers: each owns its parameters and calls one operation with them. What owns nothing is a function in `ops`.

Shapes of parameters, their names and their first values are PyTorch's, so weights can be exchanged. Every layer that
draws numbers takes a `Generator` as `rng`; without one it uses `init.default_rng()`.

A layer that says `takes_activation` can be called with a function that ends it; `Sequential` makes use of that.

Imports: tensor, ops, module, init, checks. Read next: ``pooling.py``, then ``losses/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor, note_change
from minigen.called import called
from minigen.device import to_device
from minigen.nn import init
from minigen.nn.checks import channels, check_image, check_initializer, check_padding, count, shape_errors
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.ops.bias_act import Activation
from minigen.ops.conv import Padding, pair
from minigen.random import Generator
from minigen.shapes import flag, is_whole, one_number, shown, whole_shape
from minigen_kernels import Array, Pair

Initializer = Callable[..., Array]  # (shape, *, rng) -> array


class Dense(Module):
    """y = x w^T + b: x (..., in_features) -> y (..., out_features); weight (out, in), bias (out,).

    `weight_init` is a function of `nn.init` (or any (shape, *, rng) -> array); by default weight and bias are uniform
    in +-1/sqrt(in). With a `weight_init` the bias begins at zero.
    """

    takes_activation = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.in_features = count("Dense", "in_features", in_features)
        self.out_features = count("Dense", "out_features", out_features)
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = weight_and_bias(shape, self.in_features, self.out_features, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        if not len(x.shape) or x.shape[-1] != self.in_features:
            hint = "Is a layer missing between them, or nn.Flatten()?"
            raise ShapeError(self, f"(N, {self.in_features})", x.shape, hint)
        return ops.linear(x, self.weight, self.bias, activation)


class Conv2d(Module):
    """Convolution: x (N, in, H, W) -> (N, out, oh, ow); weight (out, in/groups, kh, kw), bias (out,).

    oh = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1; padding "same" gives ceil(H / stride). See `ops.conv2d`.
    """

    takes_activation = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.in_channels, self.out_channels, self.groups = channels("Conv2d", in_channels, out_channels, groups)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride, self.dilation = pair("Conv2d", "stride", stride, 1), pair("Conv2d", "dilation", dilation, 1)
        self.padding: Padding
        self.padding = check_padding("Conv2d", padding, pair)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = shape[1] * shape[2] * shape[3]
        self.weight, self.bias = weight_and_bias(shape, fan_in, out_channels, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        check_image(self, x, self.in_channels)
        with shape_errors(self, f"(N, {self.in_channels}, H, W) large enough", x):
            return ops.conv2d(
                x,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
                activation=activation,
            )


class ConvTranspose2d(Module):
    """Transposed convolution: x (N, in, H, W) -> (N, out, oh, ow); weight (in, out/groups, kh, kw), bias (out,).

    oh = (H - 1) stride - 2 padding + dilation (kh - 1) + 1 + output_padding; padding "same" gives H stride. See
    `ops.conv_transpose2d`.
    """

    takes_activation = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        name = "ConvTranspose2d"
        self.in_channels, self.out_channels, self.groups = channels(name, in_channels, out_channels, groups)
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride, self.dilation = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
        self.padding: Padding
        self.padding = check_padding(name, padding, pair)
        self.output_padding = pair(name, "output_padding", output_padding, 0)
        if self.padding == "same" and self.output_padding != (0, 0):
            raise ValueError(f"{name}: padding 'same' gives one size, so output_padding is 0; got {output_padding}")
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        fan_in = shape[1] * shape[2] * shape[3]
        self.weight, self.bias = weight_and_bias(shape, fan_in, out_channels, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        check_image(self, x, self.in_channels)
        with shape_errors(self, f"(N, {self.in_channels}, H, W) large enough", x):
            return ops.conv_transpose2d(
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


class BatchNorm(Module):
    """Normalise each channel of (N, C), (N, C, L) or (N, C, H, W), then scale by weight (C,) and shift by bias (C,).

    In training the batch's own mean and biased variance are used, and running_mean and running_var (unbiased) move
    towards them: running = (1 - momentum) * running + momentum * batch, PyTorch's convention. In evaluation the running
    statistics are used. Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.num_features = count("BatchNorm", "num_features", num_features)
        eps, momentum = one_number("BatchNorm", "eps", eps), one_number("BatchNorm", "momentum", momentum)
        if not eps > 0:
            raise ValueError(f"BatchNorm: eps must be above 0, got {eps}")
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum is the weight of the new batch, from 0 to 1; got {momentum}")
        self.eps, self.momentum = float(eps), float(momentum)
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Tensor(np.zeros(num_features, np.float32))
        self.running_var = Tensor(np.ones(num_features, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        c = self.num_features
        if len(x.shape) not in (2, 3, 4) or x.shape[1] != c:
            raise ShapeError(self, f"(N, {c}), (N, {c}, L) or (N, {c}, H, W)", x.shape)
        if not self.training:
            return ops.batch_norm_inference(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        n = x.size // c
        if n < 2:
            hint = (
                "The variance of a batch needs two: use a larger batch, or eval(), which takes the running statistics"
            )
            raise ShapeError(self, "with at least 2 values for each channel in training", x.shape, hint)
        y, mean, var = ops.batch_norm_with_statistics(x, self.weight, self.bias, eps=self.eps)
        keep, new = 1 - self.momentum, self.momentum
        self.running_mean.data = self.running_mean.data * keep + mean.data * new
        self.running_var.data = self.running_var.data * keep + var.data * (new * n / (n - 1))
        note_change(self.running_mean)
        note_change(self.running_var)
        return y


class LayerNorm(Module):
    """Normalise each sample over its last axes, then scale by weight and shift by bias, both of that shape.

    Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5) -> None:
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        eps = one_number("LayerNorm", "eps", eps)
        if not shape or not eps > 0:
            raise ValueError(f"LayerNorm: expected at least one axis and eps above 0, got {shape} and {eps}")
        self.normalized_shape = tuple(count("LayerNorm", "normalized_shape", n) for n in shape)
        self.eps = float(eps)
        self.weight = Parameter(np.ones(shape, np.float32))
        self.bias = Parameter(np.zeros(shape, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-len(self.normalized_shape) :]) != self.normalized_shape:
            wanted = ", ".join(["...", *map(str, self.normalized_shape)])
            raise ShapeError(self, f"({wanted})", x.shape)
        return ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


class Dropout(Module):
    """In training each element is zero with probability p, the others are divided by 1 - p (Srivastava et al. 2014).

    With p = 1 all are zero. The numbers are the same on every device.
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | None = None) -> None:
        p = one_number("Dropout", "p", p)
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, from 0 to 1, got {p}")
        self.p, self.rng = float(p), init.generator(rng)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        x = as_tensor(x)
        kept = self.rng.bernoulli(1 - self.p, x.shape, dtype=x.dtype) / ((1 - self.p) or 1)
        return x * Tensor(to_device(kept, x.device))


class Flatten(Module):
    """(N, C, H, W) -> (N, C*H*W): all axes from `start_axis` on as one."""

    def __init__(self, start_axis: int = 1) -> None:
        if not is_whole(start_axis):
            raise TypeError(f"Flatten: start_axis is a whole number, got {shown(start_axis)}")
        self.start_axis = int(start_axis)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"with more than {self.start_axis} axes", x):
            return ops.flatten(x, self.start_axis)


class Reshape(Module):
    """(N, ...) -> (N, *shape): the same elements of each sample in another shape; one -1 stands for what is left."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = whole_shape("Reshape", shape)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"of a size that fits (N, {', '.join(map(str, self.shape))})", x):
            # What -1 stands for is told by one sample: an empty batch has none.
            rest = (
                ops.reshape(Tensor(np.empty(x.shape[1:], bool)), self.shape).shape if -1 in self.shape else self.shape
            )
            return ops.reshape(x, (x.shape[0], *rest))


def weight_and_bias(
    shape: tuple[int, ...], fan_in: int, width: int, bias: bool, weight_init: Initializer | None, rng: Generator | None
) -> tuple[Parameter, Parameter | None]:
    """First values of a layer's parameters; the bias has `width` elements, or is None."""
    rng, bias = init.generator(rng), flag(called("weight_and_bias"), "bias", bias)
    if weight_init is not None:
        check_initializer(weight_init)
        weight, offset = weight_init(shape, rng=rng), np.zeros(width, np.float32)
    else:
        weight = init.uniform_fan_in(shape, rng=rng, fan_in=fan_in)
        offset = init.uniform_fan_in((width,), rng=rng, fan_in=fan_in) if bias else np.zeros(width, np.float32)
    if weight.shape != shape:
        raise ValueError(f"{called('nn')}: weight_init returned shape {weight.shape}, the weight has {shape}")
    return Parameter(weight), Parameter(offset) if bias else None


__all__ = [
    "BatchNorm", "Conv2d", "ConvTranspose2d", "Dense", "Dropout", "Flatten", "LayerNorm", "Reshape",
]  # fmt: skip
