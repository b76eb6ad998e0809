"""Convolutions, pooling, enlargement and their like in ONNX, as Functions state them.

Padding is always stated as numbers, at both ends: `auto_pad`, `ceil_mode` and `output_shape` mean different things to
different runtimes (docs/onnx.md).

Imports: arrays, accurate, double. Read next: ``graph.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.onnx import accurate, arrays, double, indexing


class Layers:
    """What `Graph` has for single Functions. Images are Values whose shape is known."""

    node: Callable[..., Any]
    value: Callable[..., Any]
    constant: Callable[..., Any]
    reshape: Callable[..., Any]
    expand: Callable[..., Any]
    cast: Callable[..., Any]
    where: Callable[..., Any]
    slice: Callable[..., Any]
    recording: Any

    # Convolutions.

    def conv(
        self, x: Any, w: Any, b: Any, *, out_hw: Any, stride: Any, padding: Any, dilation: Any, groups: int
    ) -> Any:
        """A convolution of images with padding at the top and left, and a result of a given size."""
        w = self.value(w)
        ends = _ends(x.shape[2:], w.shape[2:], out_hw, stride, padding, dilation)
        y = self.node(
            "Conv", x, w, b, kernel_shape=list(w.shape[2:]), strides=list(stride), dilations=list(dilation),
            group=groups, pads=[*padding, *(max(end, 0) for end in ends)],
        )  # fmt: skip
        natural = [
            (n + p + max(e, 0) - d * (k - 1) - 1) // s + 1
            for n, p, e, d, k, s in zip(x.shape[2:], padding, ends, dilation, w.shape[2:], stride)
        ]
        for axis, (n, o) in enumerate(zip(natural, out_hw), 2):
            y = y if n == o else self.slice(y, axis, 0, o)
        return known(y, (x.shape[0], w.shape[0], *out_hw))

    def conv_transpose(
        self, g: Any, w: Any, b: Any, *, out_hw: Any, stride: Any, padding: Any, dilation: Any, groups: int
    ) -> Any:
        """A transposed convolution: what the size of the result lacks or has too much is at the bottom and right."""
        w = self.value(w)
        full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(g.shape[2:], stride, dilation, w.shape[2:])]
        ends = [n - p - o for n, p, o in zip(full, padding, out_hw)]
        beyond = [-end if -end >= s else 0 for end, s in zip(ends, stride)]  # more than `output_padding` may be
        if any(beyond):
            near = [o - n for o, n in zip(out_hw, beyond)]
            geometry = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
            y = self.conv_transpose(g, w, None, out_hw=near, **geometry)
            y = self.pad(y, ((0, 0), (0, 0), *((0, n) for n in beyond)), 0.0)
            return y if b is None else known(self.node("Add", y, self.per_channel(b, y)), y.shape)
        y = self.node(
            "ConvTranspose", g, w, b, kernel_shape=list(w.shape[2:]), strides=list(stride), dilations=list(dilation),
            group=groups, pads=[*padding, *(max(end, 0) for end in ends)],
            output_padding=[max(-end, 0) for end in ends],
        )  # fmt: skip
        return known(y, (g.shape[0], w.shape[1] * groups, *out_hw))

    def conv_weight_grad(
        self, x: Any, g: Any, *, kernel_hw: Any, stride: Any, padding: Any, dilation: Any, groups: int
    ) -> Any:
        """The gradient of a convolution in its weights: a convolution of channels, in which samples are channels."""
        parts = []
        for i in range(groups):
            images, kernels = (
                known(
                    self.node("Transpose", self._group(a, i, groups), perm=[1, 0, 2, 3]),
                    (a.shape[1] // groups, a.shape[0], *a.shape[2:]),
                )
                for a in (x, g)
            )
            y = self.conv(
                images, kernels, None, out_hw=kernel_hw, stride=dilation, padding=padding, dilation=stride, groups=1
            )
            parts.append(self.node("Transpose", y, perm=[1, 0, 2, 3]))
        return parts[0] if groups == 1 else self.node("Concat", *parts, axis=0)

    def _group(self, x: Any, i: int, groups: int) -> Any:
        size = x.shape[1] // groups
        return x if groups == 1 else self.slice(x, 1, i * size, (i + 1) * size)

    # What ends a layer.

    def per_channel(self, b: Any, x: Any) -> Any:
        """A vector (C,), to be added to x (N, C, ...)."""
        b, after = self.value(b), len(x.shape) - 2
        shape = (*b.shape, *(1,) * after)
        if b.constant is None or not after:
            return self.reshape(b, shape)
        return self.constant(b.constant.reshape(shape), f"{b.name}/{after}")

    def activation(self, x: Any, fused: Any) -> Any:
        """An activation by the name and slope under which kernels know it."""
        if fused.name == "identity":
            return x
        y = self.leaky_relu(x, fused.slope) if fused.name == "leaky_relu" else self.node(fused.name.title(), x)
        return known(y, x.shape)

    def leaky_relu(self, x: Any, slope: float) -> Any:
        """LeakyRelu, or Relu."""
        return self.node("LeakyRelu", x, alpha=slope) if slope else self.node("Relu", x)

    def clip(self, x: Any, low: float, high: float) -> Any:
        """Between two limits, of which one may be infinite."""
        return arrays.clipped(self, x, *(None if math.isinf(limit) else limit for limit in (low, high)))

    def erfc(self, x: Any) -> Any:
        """1 - erf(x)."""
        if x.dtype == np.float64:
            return accurate.erfc(self, x)
        return self.node("Sub", self.value(1.0, x.dtype), self.node("Erf", x))

    def arithmetic(self, op: str, a: Any, b: Any) -> Any:
        """An operation of two numbers, in the dtype in which NumPy computes it."""
        dtype = np.dtype(np.float64) if op == "Div" and arrays.common(a, b).kind != "f" else arrays.common(a, b)
        bools = {"Add": "Or", "Mul": "And", "Max": "Or", "Min": "And"}.get(op, op) if dtype == np.bool_ else op
        return self.node(bools, *arrays.alike(self, a, b, dtype=dtype), dtype=dtype)

    def equal(self, a: Any, b: Any) -> Any:
        """Where two are equal; a NaN is to nothing."""
        return self.node("Equal", a, b, dtype=np.bool_)

    def logaddexp(self, a: Any, b: Any) -> Any:
        """The larger one, and log(1 + exp(-|a - b|)); of two that are equal, also if they are infinite, log 2."""
        a = a if hasattr(a, "dtype") else self.value(a, b.dtype)
        apart = self.node("Neg", self.node("Abs", self.node("Sub", a, b)))
        apart = self.where(self.node("Equal", a, b, dtype=np.bool_), 0.0, apart)
        return self.node("Add", self.node("Max", a, b), accurate.log1p(self, self.node("Exp", apart)))

    def exp_excess(self, x: Any) -> Any:
        """exp(x) - 1 - x."""
        return accurate.excess(self, x)

    def log_deficit(self, x: Any) -> Any:
        """x - log(1 + x)."""
        return accurate.deficit(self, x)

    def sum(self, x: Any, axes: Sequence[int], keepdims: bool, scale: float) -> Any:
        """The sum over axes times `scale`."""
        return arrays.total(self, x, axes, keepdims, scale)

    # Pooling, enlargement, padding, places.

    def max_pool(self, x: Any, out_hw: Any, kernel: Any, stride: Any, padding: Any, places: bool = False) -> Any:
        """The largest of each window, with padding at the end as the windows need it; and their `places`, if asked."""
        ends = _ends(x.shape[2:], kernel, out_hw, stride, padding, (1, 1))
        y = self.node(
            "MaxPool", x, outputs=1 + places, kernel_shape=list(kernel), strides=list(stride),
            pads=[*padding, *(max(e, 0) for e in ends)],
        )  # fmt: skip
        if places:
            return y[0], type(y[1])(y[1].name, np.dtype(np.int64))
        return known(y, (*x.shape[:2], *out_hw))

    def average_pool(self, x: Any, out_hw: Any, kernel: Any, stride: Any, padding: Any, counted: bool) -> Any:
        """The mean of each window; if its padding is counted and it hangs over that, too, the padding is made first."""
        ends = _ends(x.shape[2:], kernel, out_hw, stride, padding, (1, 1))
        begins, counted = list(padding), counted and any(padding)
        if counted and any(end > p for end, p in zip(ends, padding)):
            x = self.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), 0.0)
            begins, ends, counted = [0, 0], [end - p for end, p in zip(ends, padding)], False
        y = self.node(
            "AveragePool", x, kernel_shape=list(kernel), strides=list(stride),
            pads=[*begins, *(max(end, 0) for end in ends)], count_include_pad=int(counted),
        )  # fmt: skip
        return known(y, (*x.shape[:2], *out_hw))

    def resize(self, x: Any, scale: Any, mode: str) -> Any:
        """Whole factors. Pixels are tiles, whose outer edges stay where they are."""
        placed = {"nearest": "asymmetric", "linear": "half_pixel"}[mode]
        scales = np.array([1, 1, *scale], np.float32)
        y = self.node("Resize", x, None, scales, mode=mode, coordinate_transformation_mode=placed, nearest_mode="floor")
        return known(y, (*x.shape[:2], *(n * f for n, f in zip(x.shape[2:], scale))))

    def interpolate(self, x: Any, forward: Callable[..., Any]) -> Any:
        """Any size: where each new pixel lies between old ones is asked of `forward`, by images of their places."""
        hw = x.shape[2:]
        for axis, places in ((2, np.arange(hw[0])[:, None]), (3, np.arange(hw[1]))):
            ramp = np.ascontiguousarray(np.broadcast_to(places.astype(np.float64), (1, 1, *hw)))
            large = np.asarray(self.recording.values(forward(ramp)))[0, 0]
            at = large[:, 0] if axis == 2 else large[0]
            low = np.floor(at).astype(np.int64)
            x = double.between(self, x, axis, low, np.minimum(low + 1, hw[axis - 2] - 1), at - low)
        return x

    def pad(self, x: Any, pads: Sequence[tuple[int, int]], value: float) -> Any:
        """A constant around the elements."""
        x = self.value(x)
        amounts = np.array([[before for before, _ in pads], [after for _, after in pads]], np.int64).ravel()
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, pads))
        return known(self.node("Pad", x, amounts, self.value(value, x.dtype), mode="constant"), shape)

    def plane_scatter(self, g: Any, index: Any, hw: Any) -> Any:
        """Zeros (N, C, *hw), and g (N, C, ...) added at places in each plane."""
        planes = g.shape[:2]
        lines, at = (self.reshape(a, (*planes, math.prod(g.shape[2:]))) for a in (g, self.cast(index, np.int64)))
        zeros = self.expand(self.value(np.zeros((1, 1, 1), g.dtype)), (*planes, math.prod(hw)))
        return self.reshape(
            known(self.node("ScatterElements", zeros, at, lines, axis=2, reduction="add"), (*planes, math.prod(hw))),
            (*planes, *hw),
        )

    def plane_gather(self, x: Any, index: Any, shape: Any = None) -> Any:
        """The elements of x (N, C, H, W) at places in each plane."""
        index = self.cast(index, np.int64)
        lines = self.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))
        at = self.reshape(index, (*index.shape[:2], math.prod(index.shape[2:])))
        y = known(self.node("GatherElements", lines, at, axis=2), at.shape)
        return self.reshape(y, index.shape if shape is None else shape)

    def getitem(self, x: Any, index: Any) -> Any:
        """x[index]."""
        return indexing.taken(self, x, index)


def known(x: Any, shape: Sequence[int] | None) -> Any:
    """The same Value, of which the shape is known."""
    return type(x)(x.name, x.dtype, None if shape is None else tuple(shape), x.array, x.constant)


def _ends(sizes: Any, kernel: Any, out: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    """The padding behind the last element that windows need; below 0 if elements are left over."""
    return [
        (o - 1) * s + d * (k - 1) + 1 - n - p for n, k, o, s, p, d in zip(sizes, kernel, out, stride, padding, dilation)
    ]
