"""Convolution and transposed convolution, and the gradient in the weights: arguments, checked, for their Functions.

Padding is stated as (top, left) with the size of the output; what lies outside an image counts as zero.

Imports: autograd, bias_act, conv_functions. Read next: ``conv_functions.py``.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

from minigen.autograd import Tensor, as_tensor
from minigen.ops.bias_act import Activation, bias_act, check_activation, split_activation
from minigen.ops.conv_functions import Conv2d, Conv2dWeightGrad, ConvAct, ConvActUpsample, ConvTranspose2d
from minigen.ops.enlarge import UpsampleNearest
from minigen.shapes import is_whole, shown, whole_number
from minigen_kernels import Pair

Padding = int | Pair | Literal["same", "valid"]


def conv2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    activation: Activation | None = None,
    upsample: int | Pair = 1,
) -> Tensor:
    """Cross-correlate images with kernels, as every deep-learning library does under the name of convolution.

    x (N, C, H, W), w (K, C/groups, kh, kw), b (K,) -> (N, K, oh, ow) with oh = (H + 2 ph - dh (kh-1) - 1) // sh + 1.
    Padding "same" gives oh = ceil(H / sh); where the zeros cannot be split evenly, the bottom and right get one more;
    "valid" is none. `activation` is a function that ends it; after a bias, one that `bias_act` knows is computed in the
    same pass. So is `upsample`, the factor of a nearest enlargement of the result.
    """
    x, w = as_tensor(x), as_tensor(w)
    check_inputs("conv2d", x, w, groups, of_input=w.shape[1:2])
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    padding = _padding("conv2d", padding)
    out, top_left = _result(x.shape[2:], w.shape[2:], stride, padding, dilation)
    geometry = dict(out_hw=out, stride=stride, padding=top_left, dilation=dilation, groups=groups)
    return _convolved("conv2d", Conv2d, (x, w), b, activation, geometry, pair("conv2d", "upsample", upsample, 1))


@functools.lru_cache(1024)
def _result(
    hw: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Any, dilation: Pair
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The size of the result of `conv2d`, and how many zeros are above and to the left of an image."""
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    if padding == "same":
        out = tuple(-(-n // s) for n, s in zip(hw, stride, strict=True))
        missing = [(o - 1) * s + k - n for o, s, k, n in zip(out, stride, spans, hw, strict=True)]
        top_left = tuple(m // 2 if m > 0 else 0 for m in missing)
    else:
        top_left = padding if isinstance(padding, tuple) else (0, 0)
        out = tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(hw, top_left, spans, stride, strict=True))
    if min(out) < 1:
        raise ValueError(
            f"conv2d: images {hw} with padding {padding} are smaller than the kernel's span {spans}; "
            "use a smaller kernel or dilation, or more padding"
        )
    return out, top_left


def conv_transpose2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = 0,
    output_padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    activation: Activation | None = None,
) -> Tensor:
    """Transposed convolution: the adjoint of `conv2d`, which with a stride makes images larger.

    x (N, C, H, W), w (C, K/groups, kh, kw), b (K,) -> (N, K, oh, ow) with
    oh = (H - 1) sh - 2 ph + dh (kh - 1) + 1 + output_padding. A convolution with a stride maps several sizes to one;
    `output_padding` (below the stride or the dilation) says which of them is meant. Padding "same" gives oh = H sh, the
    adjoint of "same" of `conv2d` (TensorFlow's and Keras' meaning; PyTorch has none); "valid" is none. `activation` as
    in `conv2d`.
    """
    x, w = as_tensor(x), as_tensor(w)
    name = "conv_transpose2d"
    check_inputs(name, x, w, groups, of_input=w.shape[:1])
    stride, dilation = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    extra = pair(name, "output_padding", output_padding, 0)
    padding = _padding(name, padding)
    out, top_left = _transposed_result(x.shape[2:], w.shape[2:], stride, padding, extra, dilation)
    geometry = dict(out_hw=out, stride=stride, padding=top_left, dilation=dilation, groups=groups)
    return _convolved(name, ConvTranspose2d, (x, w), b, activation, geometry)


@functools.lru_cache(1024)
def _transposed_result(
    hw: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Any, extra: Pair, dilation: Pair
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The size of the result of `conv_transpose2d`, and the padding of the convolution that it is the adjoint of.

    Of a "same" convolution: of images that are `stride` times as large as those given.
    """
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    if padding == "same":
        if extra != (0, 0):
            raise ValueError(f"conv_transpose2d: padding 'same' gives one size, so output_padding is 0; got {extra}")
        out = tuple(n * s for n, s in zip(hw, stride, strict=True))
        if min(out) < 1:
            raise ValueError(f"conv_transpose2d: images {hw} have no pixel")
        return out, tuple(max(k - s, 0) // 2 for k, s in zip(spans, stride, strict=True))
    padding = padding if isinstance(padding, tuple) else (0, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"conv_transpose2d: output_padding {extra} must be below stride {stride} or dilation {dilation}"
        )
    out = tuple((n - 1) * s - 2 * p + k + e for n, s, p, k, e in zip(hw, stride, padding, spans, extra, strict=True))
    if min(out) < 1:
        raise ValueError(f"conv_transpose2d: padding {padding} leaves nothing of images {hw}; use less padding")
    return out, padding


def conv2d_weight_grad(
    x: Tensor,
    g: Tensor,
    kernel_size: int | Pair,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d(x, w) in w: correlate images with the gradient of the result.

    x (N, C, H, W), g (N, K, oh, ow) -> (K, C/groups, kh, kw). The third member of the family.
    """
    x, g = as_tensor(x), as_tensor(g)
    name = "conv2d_weight_grad"
    _check_groups(name, groups, x, g)
    if x.ndim != 4 or g.ndim != 4 or x.shape[0] != g.shape[0] or x.shape[1] % groups or g.shape[1] % groups:
        raise ValueError(
            f"{name}: expected x (N, C, H, W) and g (N, K, oh, ow) with C and K divisible by groups={groups}, "
            f"got x {x.shape} and g {g.shape}"
        )
    kernel, padding = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    stride, dilation = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    result = tuple(
        max((n + 2 * p - d * (k - 1) - 1) // s + 1, -(-n // s))  # the second: padding "same"
        for n, p, d, k, s in zip(x.shape[2:], padding, dilation, kernel, stride, strict=True)
    )
    if g.shape[2] > result[0] or g.shape[3] > result[1]:
        raise ValueError(f"{name}: g {g.shape} is larger than the result {result} of a convolution of x {x.shape}")
    return Conv2dWeightGrad.apply(
        x, g, kernel_hw=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def pair(function: str, argument: str, value: int | Pair, least: int) -> Pair:
    """A geometry argument as (vertical, horizontal), both whole numbers of at least `least`."""
    if type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int and min(value) >= least:
        return value  # as a layer has it
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or any(isinstance(v, bool) or not is_whole(v) or v < least for v in both):
        raise ValueError(
            f"{function}: {argument} is a whole number of at least {least}, or a pair of them; got {shown(value)}"
            + hint_of_padding(argument, value)
        )
    return int(both[0]), int(both[1])


def _padding(function: str, value: Any) -> Any:
    """A padding as a pair of numbers or as one of the two words."""
    return value if isinstance(value, str) and value in ("same", "valid") else pair(function, "padding", value, 0)


def hint_of_padding(argument: str, value: object) -> str:
    """How to write what was perhaps meant by a padding that is no number, as the end of a sentence."""
    if argument != "padding":
        return ""
    if isinstance(value, (tuple, list)):
        return "; for other amounts at the two ends use ops.pad"
    return "; convolutions take 'same' and 'valid' too" if isinstance(value, str) else ""


def check_inputs(name: str, x: Tensor, w: Tensor, groups: int, of_input: tuple[int, ...]) -> None:
    """Shapes that fit: x (N, C, H, W) or (N, C, L), by the `name`, and a w whose input channels are those of x."""
    size, weights, transposed = x.shape, w.shape, name.startswith("conv_transpose")
    places, kernel, axes = ("L", "k", 3) if name.endswith("1d") else ("H, W", "kh, kw", 4)
    if len(size) != axes or len(weights) != axes:
        layout = f"({'C, K' if transposed else 'K, C'}/groups, {kernel})"
        raise ValueError(f"{name}: expected x (N, C, {places}) and w {layout}, got x {size} and w {weights}")
    _check_groups(name, groups, x, w)
    if 0 in weights[2:]:
        raise ValueError(f"{name}: a kernel has at least one place, got w {weights}")
    if weights[0] % groups or size[1] % groups:
        raise ValueError(f"{name}: groups={groups} must divide the channels of x {size} and w {weights}")
    channels = of_input[0] if transposed else of_input[0] * groups
    if size[1] != channels:
        raise ValueError(
            f"{name}: w {weights} with groups={groups} works on {channels} channels, but x {size} has {size[1]}"
        )


def _check_groups(name: str, groups: int, a: Tensor, b: Tensor) -> None:
    """A number of groups, and two arrays of one dtype: a mask, which goes with floats elsewhere, is none."""
    if type(groups) is not int or groups != 1:
        whole_number(name, "groups", groups, 1)
    if a.data.dtype is not b.data.dtype and a.dtype != b.dtype:
        names = f"{a.dtype} and {b.dtype}"
        raise TypeError(f"{name}: inputs of dtype {names}. Nothing is promoted silently: use .to(dtype=...)")


def bias_and_activation(name: str, y: Tensor, b: Tensor | None, activation: Activation | None) -> Tensor:
    """Bias and activation of a convolution's result."""
    check_activation(name, activation)
    if b is None:
        return y if activation is None else activation(y)
    _check_bias(name, b, y.shape[1])
    return bias_act(y, b, activation)


def _convolved(
    name: str,
    kind: type[Conv2d] | type[ConvTranspose2d],
    inputs: tuple[Tensor, Tensor],
    b: Tensor | None,
    activation: Activation | None,
    geometry: dict[str, Any],
    scale: Pair = (1, 1),
) -> Tensor:
    """A convolution, then bias, activation and enlargement: what the kernels know of these is done in one pass."""
    check_activation(name, activation)
    if b is None:
        y = kind.apply(*inputs, **geometry)
        y = y if activation is None else activation(y)
    else:
        w = inputs[1]
        _check_bias(name, b, w.shape[0] if kind is Conv2d else w.shape[1] * geometry["groups"])
        fused, left = split_activation(activation)
        if left is None and scale != (1, 1):
            return ConvActUpsample.apply(*inputs, b, kind=kind, geometry=geometry, fused=fused, scale=scale)
        y = ConvAct.apply(*inputs, b, kind=kind, geometry=geometry, fused=fused)
        y = y if left is None else left(y)
    return y if scale == (1, 1) else UpsampleNearest.apply(y, scale=scale)


def _check_bias(name: str, b: Tensor, channels: int) -> None:
    if as_tensor(b).shape != (channels,):
        raise ValueError(f"{name}: expected b ({channels},), got {as_tensor(b).shape}")


__all__ = ["conv2d", "conv2d_weight_grad", "conv_transpose2d"]
