"""Convolution and pooling of sequences (N, C, L): those of images of height 1, under their own names.

Imports: autograd, conv, pool. Read next: ``embedding.py``.
"""

from __future__ import annotations

from typing import Literal

from minigen.autograd import Tensor, as_tensor
from minigen.ops.bias_act import Activation
from minigen.ops.conv import bias_and_activation, check_inputs, conv2d, conv_transpose2d
from minigen.ops.pool import avg_pool2d, max_pool2d
from minigen.ops.shape import reshape
from minigen.shapes import flag, whole_number
from minigen_kernels import Window

Length = int | tuple[int]  # a geometry argument: a number, or a tuple of one as PyTorch takes it
Padding1d = Length | Literal["same", "valid"]


def conv1d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    stride: Length = 1,
    padding: Padding1d = 0,
    dilation: Length = 1,
    groups: int = 1,
    activation: Activation | None = None,
) -> Tensor:
    """Cross-correlate sequences with kernels: x (N, C, L), w (K, C/groups, k), b (K,) -> (N, K, o).

    o = (L + 2 padding - dilation (k - 1) - 1) // stride + 1; padding "same" gives ceil(L / stride), where one more zero
    goes to the end if they cannot be split evenly, and "valid" is none. `activation` as in `conv2d`.
    """
    x, w = as_tensor(x), as_tensor(w)
    check_inputs("conv1d", x, w, groups, of_input=w.shape[1:2])
    s, d = one("conv1d", "stride", stride, 1), one("conv1d", "dilation", dilation, 1)
    span = d * (w.shape[2] - 1) + 1
    if isinstance(padding, str) and padding == "same":
        both: Literal["same"] | tuple[int, int] = "same"
    else:
        both = (0, 0 if isinstance(padding, str) and padding == "valid" else one("conv1d", "padding", padding, 0))
    if x.shape[2] < 1 if both == "same" else x.shape[2] + 2 * both[1] < span:
        raise ValueError(
            f"conv1d: sequences of length {x.shape[2]} with padding {padding} are shorter than the kernel's span "
            f"{span}; use a smaller kernel or dilation, or more padding"
        )
    y = conv2d(_image(x), _image(w), stride=(1, s), padding=both, dilation=(1, d), groups=groups)
    return bias_and_activation("conv1d", _sequence(y), b, activation)


def conv_transpose1d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    stride: Length = 1,
    padding: Padding1d = 0,
    output_padding: Length = 0,
    dilation: Length = 1,
    groups: int = 1,
    activation: Activation | None = None,
) -> Tensor:
    """The adjoint of `conv1d`, which with a stride makes sequences longer: w (C, K/groups, k), b (K,).

    x (N, C, L) -> (N, K, o) with o = (L - 1) stride - 2 padding + dilation (k - 1) + 1 + output_padding.
    `output_padding` (below the stride or the dilation), padding "same" (o = L stride) and "valid", and `activation` as
    in `conv_transpose2d`.
    """
    x, w, name = as_tensor(x), as_tensor(w), "conv_transpose1d"
    check_inputs(name, x, w, groups, of_input=w.shape[:1])
    s, d = one(name, "stride", stride, 1), one(name, "dilation", dilation, 1)
    extra = one(name, "output_padding", output_padding, 0)
    if isinstance(padding, str) and padding == "same":
        if extra:
            raise ValueError(f"{name}: padding 'same' gives one size, so output_padding is 0; got {extra}")
        y = conv_transpose2d(_image(x), _image(w), stride=(1, s), padding="same", dilation=(1, d), groups=groups)
        return bias_and_activation(name, _sequence(y), b, activation)
    p = 0 if isinstance(padding, str) and padding == "valid" else one(name, "padding", padding, 0)
    if extra >= max(s, d):
        raise ValueError(f"{name}: output_padding {extra} must be below stride {s} or dilation {d}")
    if (x.shape[2] - 1) * s - 2 * p + d * (w.shape[2] - 1) + 1 + extra < 1:
        raise ValueError(f"{name}: padding {p} leaves nothing of sequences of length {x.shape[2]}; use less padding")
    y = conv_transpose2d(
        _image(x), _image(w), stride=(1, s), padding=(0, p), output_padding=(0, extra), dilation=(1, d), groups=groups
    )
    return bias_and_activation(name, _sequence(y), b, activation)


def max_pool1d(
    x: Tensor, kernel_size: Length, stride: Length | None = None, padding: Length = 0, *, ceil_mode: bool = False
) -> Tensor:
    """The largest value of each window, (N, C, L) -> (N, C, o): `max_pool2d` along one axis."""
    window = _window("max_pool1d", x, kernel_size, stride, padding, ceil_mode)
    return _sequence(max_pool2d(_image(as_tensor(x)), *window, ceil_mode=ceil_mode))


def avg_pool1d(
    x: Tensor,
    kernel_size: Length,
    stride: Length | None = None,
    padding: Length = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window, (N, C, L) -> (N, C, o): `avg_pool2d` along one axis."""
    window = _window("avg_pool1d", x, kernel_size, stride, padding, ceil_mode)
    count_include_pad = flag("avg_pool1d", "count_include_pad", count_include_pad)
    y = avg_pool2d(_image(as_tensor(x)), *window, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    return _sequence(y)


def one(function: str, argument: str, value: Length, least: int) -> int:
    """A geometry argument as a whole number of at least `least`; a tuple or list of one is taken for it."""
    (v,) = value if isinstance(value, (tuple, list)) and len(value) == 1 else (value,)
    return whole_number(function, argument, v, least)


def _window(
    name: str, x: Tensor, kernel_size: Length, stride: Length | None, padding: Length, ceil_mode: bool
) -> Window:
    """Kernel, stride (that of the kernel by default) and padding for an image of height 1, checked."""
    shape = as_tensor(x).shape
    if len(shape) != 3:
        raise ValueError(f"{name}: expected x (N, C, L), got {shape}")
    k, p = one(name, "kernel_size", kernel_size, 1), one(name, "padding", padding, 0)
    s = k if stride is None else one(name, "stride", stride, 1)
    ceil_mode = flag(name, "ceil_mode", ceil_mode)
    if 2 * p > k:
        raise ValueError(f"{name}: padding {p} must be at most half of kernel_size {k}")
    missing = k - shape[2] - 2 * p  # with ceil_mode the only window may hang over the end, by less than a stride
    if shape[2] < 1 or missing >= (s if ceil_mode else 1):
        raise ValueError(f"{name}: sequences of length {shape[2]} with padding {p} are shorter than the window {k}")
    return (1, k), (1, s), (0, p)


def _image(x: Tensor) -> Tensor:
    """(A, B, L) as (A, B, 1, L)."""
    return reshape(x, (*x.shape[:2], 1, x.shape[2]))


def _sequence(y: Tensor) -> Tensor:
    """(A, B, 1, L) as (A, B, L)."""
    return reshape(y, (*y.shape[:2], y.shape[3]))


__all__ = ["avg_pool1d", "conv1d", "conv_transpose1d", "max_pool1d"]
