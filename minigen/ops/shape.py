"""Operations that move elements and compute nothing: reshape, transpose, concat, stack, flatten, pixel_shuffle.

Imports: autograd, indexing. Read next: ``reduce.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import Device, array_module, to_device
from minigen.ops.indexing import getitem
from minigen.shapes import is_whole, one_axis, reshape_error, shown, whole_number, whole_shape
from minigen_kernels import Array


class To(Function):
    """The same values on another device or in another dtype."""

    device: Device
    dtype: np.dtype[Any]

    def forward(self, x: Array) -> Array:
        return to_device(x, self.device).astype(self.dtype)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.cast(x, self.dtype)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy.to(x.device, x.dtype)


class Reshape(Function):
    """The same elements, in C order, in another shape."""

    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.reshape(x, self.shape)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return reshape(gy, self.inputs[0].shape)


class Transpose(Function):
    """The axes in another order. Its gradient is derived in docs/guide/04_broadcasting.md."""

    axes: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Transpose", x, perm=list(self.axes))

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return transpose(gy, tuple(int(i) for i in np.argsort(self.axes)))


class Concat(Function):
    one_dtype = True
    axis: int

    def forward(self, *xs: Array) -> Array:
        return array_module(xs[0]).concatenate(xs, self.axis)

    def onnx(self, graph: Any, *xs: Any) -> Any:
        return graph.node("Concat", *xs, axis=self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        gxs: list[Tensor | None] = []
        start = 0
        for i, x in enumerate(self.inputs):
            stop = start + x.shape[self.axis]
            part = (slice(None),) * self.axis + (slice(start, stop),)
            gxs.append(getitem(gy, part) if self.needs(i) else None)
            start = stop
        return tuple(gxs)


def reshape(x: Tensor, shape: int | tuple[int, ...]) -> Tensor:
    """The same elements, in C order, in another shape; one -1 stands for what is left."""
    x = as_tensor(x)
    shape = whole_shape("reshape", shape)
    if x.shape == shape:
        return x
    if min(shape, default=0) < -1:  # NumPy would take it for -1
        raise reshape_error(x.shape, shape)
    try:
        return Reshape.apply(x, shape=shape)
    except ValueError as error:
        raise reshape_error(x.shape, shape) from error


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order (reversed by default)."""
    x = as_tensor(x)
    axes = range(x.ndim)[::-1] if axes is None else whole_shape("transpose", axes)
    if sorted(i % x.ndim if -x.ndim <= i < x.ndim else -1 for i in axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {tuple(axes)} are not an order of the {x.ndim} axes of shape {x.shape}")
    return Transpose.apply(x, axes=tuple(i % x.ndim for i in axes))


def swap_last(x: Any) -> Any:
    """The last two axes exchanged, of a Tensor or an array: each matrix of a stack transposed."""
    return x.transpose((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def concat(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The Tensors one after another along `axis`; the other axes must agree."""
    _check_several("concat", xs)
    tensors = [as_tensor(x) for x in xs]
    if not all(t.ndim for t in tensors):
        raise ValueError("concat: a single number has no axis; use stack for numbers, or reshape them to (1,)")
    k = one_axis("concat", axis, tensors[0].ndim)
    shapes = [t.shape for t in tensors]
    if len({(s[:k], s[k + 1 :]) for s in shapes}) > 1:
        raise ValueError(f"concat: shapes {shapes} differ outside axis {axis}")
    return Concat.apply(*tensors, axis=k)


def stack(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The Tensors, all of one shape, along a new axis."""
    _check_several("stack", xs)
    tensors = [as_tensor(x) for x in xs]
    shape = tensors[0].shape
    if any(t.shape != shape for t in tensors):
        raise ValueError(f"stack: shapes {[t.shape for t in tensors]} are not all the same")
    k = one_axis("stack", axis, len(shape) + 1)
    return Concat.apply(*(reshape(t, (*shape[:k], 1, *shape[k:])) for t in tensors), axis=k)


def flatten(x: Tensor, start_axis: int = 1) -> Tensor:
    """All axes from `start_axis` on as one: (N, C, H, W) -> (N, C*H*W) by default."""
    x = as_tensor(x)
    if not is_whole(start_axis):
        raise TypeError(f"flatten: start_axis is a whole number, got {start_axis!r}")
    if not 0 <= start_axis < x.ndim:
        raise ValueError(f"flatten: start_axis {start_axis} is not an axis of shape {x.shape}")
    return reshape(x, (*x.shape[:start_axis], math.prod(x.shape[start_axis:])))


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """r * r channels become a block of r x r pixels: (N, C*r*r, H, W) -> (N, C, H*r, W*r).

    The last step of a sub-pixel convolution: Shi et al. 2016, arXiv:1609.05158.
    """
    x, r = as_tensor(x), whole_number("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if x.ndim != 4 or x.shape[1] % (r * r):
        raise ValueError(
            f"pixel_shuffle: expected x (N, C*{r * r}, H, W) for upscale_factor={r}, got {x.shape}; "
            f"let the layer before it make a multiple of {r * r} channels"
        )
    N, C, H, W = x.shape
    blocks = reshape(x, (N, C // (r * r), r, r, H, W))
    return reshape(transpose(blocks, (0, 1, 4, 2, 5, 3)), (N, C // (r * r), H * r, W * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """Blocks of r x r pixels become r * r channels: (N, C, H*r, W*r) -> (N, C*r*r, H, W); undoes `pixel_shuffle`."""
    x, r = as_tensor(x), whole_number("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if x.ndim != 4 or x.shape[2] % r or x.shape[3] % r:
        raise ValueError(
            f"pixel_unshuffle: expected x (N, C, H*{r}, W*{r}) for downscale_factor={r}, got {x.shape}; "
            "pad the images or cut them"
        )
    N, C, H, W = x.shape
    blocks = reshape(x, (N, C, H // r, r, W // r, r))
    return reshape(transpose(blocks, (0, 1, 3, 5, 2, 4)), (N, C * r * r, H // r, W // r))


def _check_several(name: str, xs: Sequence[Tensor]) -> None:
    if isinstance(xs, (Tensor, str)) or not hasattr(xs, "__len__") or getattr(xs, "shape", None) == () or not len(xs):
        raise ValueError(f"{name}: expected a sequence of at least one Tensor, got {shown(xs)}")


__all__ = ["concat", "flatten", "pixel_shuffle", "pixel_unshuffle", "reshape", "stack", "transpose"]
