"""Pooling and its way back: max and average pooling, max-unpooling, upsampling.

Each is a linear operation once the geometry (and for max pooling the place of each maximum) is fixed, and its gradient
is the adjoint, whose gradient is the operation again:

    plane_gather   <-> plane_scatter       (max pooling takes the values at `index`, its gradient puts values there)
    avg_pool2d     <-> avg_pool2d_adjoint

Imports: autograd, bias_act, conv (for `pair`), enlarge, kernels. Read next: ``norm.py``.
"""

from __future__ import annotations

from typing import Any, Literal

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.bias_act import (
    Activation,
    Fused,
    activation_gradient,
    bias_act,
    check_activation,
    split_activation,
)
from minigen.ops.conv import pair
from minigen.ops.enlarge import UpsampleBilinear, UpsampleNearest
from minigen.ops.reduce import sum
from minigen.shapes import flag, one_of
from minigen_kernels import Array, Pair, Window, for_array


class MaxPool2d(Function):
    out_hw: Pair
    window: Window
    index: Array  # where in its plane each maximum stands; saved by forward

    def forward(self, x: Array) -> Array:
        y, self.index = for_array(x).max_pool2d(x, self.out_hw, *self.window)
        return y

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.max_pool(x, self.out_hw, *self.window)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return PlaneScatter.apply(gy, index=self.index, hw=self.inputs[0].shape[2:], window=self.window)


class BiasActMaxPool2d(FusedFunction):
    one_dtype = True
    out_hw: Pair
    window: Window
    fused: Fused
    index: Array  # as in MaxPool2d

    def forward(self, x: Array, b: Array) -> Array:
        y, self.index = for_array(x).bias_act_max_pool2d(x, b, *self.fused, self.out_hw, *self.window)
        return y

    def onnx(self, graph: Any, x: Any, b: Any) -> Any:
        y = graph.activation(graph.node("Add", x, graph.per_channel(b, x), shape=x.shape), self.fused)
        return graph.max_pool(y, self.out_hw, *self.window)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, Array]:
        _, _, H, W = self.inputs[0].shape
        return for_array(y).bias_act_max_pool2d_backward(gy, y, self.index, *self.fused, (H, W), self.window)

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        g = activation_gradient(self.fused, gy, y)  # at the maxima; the others have none
        gx = PlaneScatter.apply(g, index=self.index, hw=self.inputs[0].shape[2:], window=self.window)
        return gx, sum(g, (0, 2, 3)) if self.needs(1) else None


class PlaneScatter(Function):
    index: Array
    hw: Pair
    window: Window | None

    def forward(self, g: Array) -> Array:
        return for_array(g).plane_scatter(g, self.index, self.hw, self.window)

    def onnx(self, graph: Any, g: Any) -> Any:
        return graph.plane_scatter(g, self.index, self.hw)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return PlaneGather.apply(gy, index=self.index, window=self.window)


class PlaneGather(Function):
    index: Array
    window: Window | None

    def forward(self, x: Array) -> Array:
        return for_array(x).plane_gather(x, self.index)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.plane_gather(x, self.index)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return PlaneScatter.apply(gy, index=self.index, hw=self.inputs[0].shape[2:], window=self.window)


class AvgPool2d(Function):
    out_hw: Pair
    window: Window
    count_include_pad: bool

    def forward(self, x: Array) -> Array:
        return for_array(x).avg_pool2d(x, self.out_hw, *self.window, self.count_include_pad)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.average_pool(x, self.out_hw, *self.window, self.count_include_pad)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        shared = dict(window=self.window, count_include_pad=self.count_include_pad)
        return AvgPool2dAdjoint.apply(gy, hw=self.inputs[0].shape[2:], **shared)


class AvgPool2dAdjoint(Function):
    hw: Pair
    window: Window
    count_include_pad: bool

    def forward(self, g: Array) -> Array:
        return for_array(g).avg_pool2d_adjoint(g, self.hw, *self.window, self.count_include_pad)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        shared = dict(window=self.window, count_include_pad=self.count_include_pad)
        return AvgPool2d.apply(gy, out_hw=self.inputs[0].shape[2:], **shared)


def max_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value of each window: (N, C, H, W) -> (N, C, oh, ow).

    oh = (H + 2 ph - kh) / sh + 1, rounded down, or up with `ceil_mode` (the last window then hangs over the edge). The
    stride is the kernel size by default; padding counts as -Inf. The gradient goes to the first maximum of a window.
    """
    return max_pool2d_with_indices(x, kernel_size, stride, padding, ceil_mode=ceil_mode)[0]


def max_pool2d_with_indices(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` and where the maxima stand: flat positions in the H*W plane, int64 (N, C, oh, ow), no gradient."""
    x = as_tensor(x)
    out, window = _pooling("max_pool2d", x, kernel_size, stride, padding, ceil_mode)
    pooling = MaxPool2d(out_hw=out, window=window)
    y = pooling(x)
    return y, Tensor(pooling.index)


def bias_act_max_pool2d(
    x: Tensor,
    b: Tensor,
    activation: Activation | None,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """`max_pool2d` of ``bias_act(x, b, activation)``: what often ends a convolution; x (N, C, H, W), b (C,).

    Where windows do not overlap and `bias_act` knows the activation, it is one pass, which keeps the maxima alone.
    """
    name = "bias_act_max_pool2d"
    check_activation(name, activation)
    x, b = as_tensor(x), as_tensor(b)
    out, window = _pooling(name, x, kernel_size, stride, padding, ceil_mode)
    if b.shape != x.shape[1:2]:
        raise ValueError(f"{name}: expected x (N, C, H, W) and b (C,), got x {x.shape} and b {b.shape}")
    fused, left = split_activation(activation)
    if left is not None or any(step < size for size, step in zip(*window[:2], strict=True)):
        return MaxPool2d.apply(bias_act(x, b, activation), out_hw=out, window=window)
    return BiasActMaxPool2d.apply(x, b, out_hw=out, window=window, fused=fused)


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    output_size: Pair | None = None,
) -> Tensor:
    """Put pooled values back where the maxima stood, zeros elsewhere: (N, C, H, W) -> (N, C, oh, ow).

    `indices` come from `max_pool2d_with_indices`; oh = (H - 1) sh - 2 ph + kh unless `output_size` says otherwise.
    Where overlapping windows chose one element, the last of them is kept (and gets the gradient). That indices fit into
    the planes is checked on the CPU alone: on a GPU a check would make the host wait, and one outside is left out.
    """
    x, indices = as_tensor(x), as_tensor(indices)
    if x.ndim != 4 or x.shape != indices.shape:
        raise ValueError(f"max_unpool2d: expected x and indices (N, C, H, W), got x {x.shape}, indices {indices.shape}")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"max_unpool2d: expected indices of max_pool2d_with_indices, got dtype {indices.dtype}")
    name = "max_unpool2d"
    k, p = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    s = k if stride is None else pair(name, "stride", stride, 1)
    natural = ((x.shape[i + 2] - 1) * s[i] - 2 * p[i] + k[i] for i in (0, 1))
    hw = pair(name, "output_size", (next(natural), next(natural)) if output_size is None else output_size, 1)
    index = indices.data
    if indices.device == "cpu" and index.size and not 0 <= index.min() <= index.max() < hw[0] * hw[1]:
        raise ValueError(
            f"max_unpool2d: indices from {int(index.min())} to {int(index.max())} do not fit into planes of {hw}; "
            "give the output_size that was pooled"
        )
    kept = Tensor(_last_of_equals(index).astype(x.dtype))
    return PlaneScatter.apply(x * kept, index=index, hw=hw, window=None)


def _last_of_equals(index: Array) -> Array:
    """In each plane, for each position: is no later entry equal to it?"""
    xp = array_module(index)
    flat = index.reshape(-1, index.shape[2] * index.shape[3])
    order = xp.argsort(flat, axis=1, kind="stable")
    ordered = xp.take_along_axis(flat, order, 1)
    last = xp.ones(flat.shape, bool)
    last[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    mask = xp.empty(flat.shape, bool)
    xp.put_along_axis(mask, order, last, 1)
    return mask.reshape(index.shape)


def avg_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window: (N, C, H, W) -> (N, C, oh, ow); sizes as in `max_pool2d`.

    The zeros of the padding count as elements of a window unless `count_include_pad` is False.
    """
    x = as_tensor(x)
    out, window = _pooling("avg_pool2d", x, kernel_size, stride, padding, ceil_mode)
    counted = flag("avg_pool2d", "count_include_pad", count_include_pad)
    return AvgPool2d.apply(x, out_hw=out, window=window, count_include_pad=counted)


def _pooling(
    name: str, x: Tensor, kernel: int | Pair, stride: int | Pair | None, padding: int | Pair, ceil_mode: bool
) -> tuple[Pair, Window]:
    """The size of the result and the geometry, checked."""
    if x.ndim != 4:
        raise ValueError(f"{name}: expected x (N, C, H, W), got {x.shape}")
    k = pair(name, "kernel_size", kernel, 1)
    s = k if stride is None else pair(name, "stride", stride, 1)
    p, ceil_mode = pair(name, "padding", padding, 0), flag(name, "ceil_mode", ceil_mode)
    if any(2 * b > a for a, b in zip(k, p, strict=True)):
        raise ValueError(f"{name}: padding {p} must be at most half of kernel_size {k}")
    out = []
    for n, ki, si, pi in zip(x.shape[2:], k, s, p, strict=True):
        free = n + 2 * pi - ki
        o = (-(-free // si) if ceil_mode else free // si) + 1
        if ceil_mode and (o - 1) * si >= n + pi:  # a window that starts in the bottom padding holds nothing
            o -= 1
        out.append(o)
    if min(out) < 1 or min(x.shape[2:]) < 1:
        raise ValueError(f"{name}: images {x.shape[2:]} with padding {p} are smaller than the window {k}")
    return (out[0], out[1]), (k, s, p)


def upsample(x: Tensor, scale_factor: int | Pair, mode: Literal["nearest", "bilinear"] = "nearest") -> Tensor:
    """Larger images: (N, C, H, W) -> (N, C, H*fh, W*fw), by repeating pixels or by linear interpolation between them.

    Bilinear places pixels at half-integers and repeats the edge (in other libraries: align_corners=False). Whole
    factors only, and quickly; `interpolate` goes to any size.
    """
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"upsample: expected x (N, C, H, W), got {x.shape}")
    scale = pair("upsample", "scale_factor", scale_factor, 1)
    one_of("upsample", "mode", mode, ("nearest", "bilinear"))
    return (UpsampleNearest if mode == "nearest" else UpsampleBilinear).apply(x, scale=scale)


__all__ = ["avg_pool2d", "bias_act_max_pool2d", "max_pool2d", "max_pool2d_with_indices", "max_unpool2d", "upsample"]
