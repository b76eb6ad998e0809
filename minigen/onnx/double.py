"""Operations that onnxruntime has in float32 alone, in float64: written out in operations that it has in both.

A convolution is a matrix product of windows; a transposed one is the convolution of an image with zeros between its
pixels; the mean of a window is a sum of slices. The error function is a series.

Imports: recording. Read next: ``graph.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.onnx.accurate import erfc, expm1, log1p


def conv(
    graph: Any,
    x: Any,
    w: Any,
    b: Any = None,
    *,
    pads: Sequence[int],
    strides: Any,
    dilations: Any,
    group: int,
    **_: Any,
) -> Any:
    """Conv: for each place of the kernel a slice of the padded image, all of them side by side times the weights."""
    y = _windows(graph, _padded(graph, x, pads), w, pads, strides, dilations, group)
    return y if b is None else graph.node("Add", y, graph.reshape(b, (1, -1, 1, 1)))


def conv_transpose(
    graph: Any, x: Any, w: Any, b: Any = None, *, pads: Any, strides: Any, dilations: Any, group: int,
    output_padding: Any = (0, 0), **_: Any,
) -> Any:  # fmt: skip
    """ConvTranspose: zeros between the pixels, then a convolution with the kernel turned round."""
    n, c, height, width = x.shape
    kernel, sizes = w.shape[2:], (height, width)
    for i, (axis, stride) in enumerate(zip((2, 3), strides)):
        if stride > 1:  # a new axis behind the pixel, whose other elements are 0
            shape = [*x.shape[:axis], x.shape[axis], 1, *x.shape[axis + 1 :]]
            ends = [0] * len(shape)
            ends[axis + 1] = stride - 1
            wide = graph.node("Pad", graph.reshape(x, shape), np.array([*[0] * len(shape), *ends], np.int64), 0.0)
            full = (*x.shape[:axis], sizes[i] * stride, *x.shape[axis + 1 :])
            x = _shaped(graph, graph.reshape(wide, full), full)
    spans = [d * (k - 1) for d, k in zip(dilations, kernel)]
    ends = [s - p + e - (stride - 1) for s, p, e, stride in zip(spans, pads[2:], output_padding, strides)]
    around = [*(s - p for s, p in zip(spans, pads[:2])), *ends]
    turned = graph.slice(graph.slice(w, 2, None, None, -1), 3, None, None, -1)
    k = w.shape[1]  # of one group: (C, K / group) becomes (K, C / group)
    parts = graph.reshape(turned, (group, c // group, k, *kernel))
    turned = graph.reshape(graph.node("Transpose", parts, perm=[0, 2, 1, 3, 4]), (group * k, c // group, *kernel))
    return conv(graph, x, turned, b, pads=around, strides=(1, 1), dilations=dilations, group=group)


def average_pool(
    graph: Any, x: Any, *, kernel_shape: Any, strides: Any, pads: Any, count_include_pad: int = 0, **_: Any
) -> Any:
    """AveragePool: the sum of shifted slices over their count, which at the edge is another."""
    padded, sizes = _padded(graph, x, pads), _sizes(x, pads)
    out = [(n - k) // s + 1 for n, k, s in zip(sizes, kernel_shape, strides)]
    slices = _slices(graph, padded, kernel_shape, strides, (1, 1), out)
    total = slices[0]
    for part in slices[1:]:
        total = graph.node("Add", total, part)
    if count_include_pad:
        return graph.node("Mul", total, 1 / math.prod(kernel_shape))
    inside = [np.pad(np.ones(n), (a, b)) for n, a, b in zip(x.shape[2:], pads[:2], pads[2:])]
    counts = [
        np.array([line[i * s : i * s + k].sum() for i in range(o)])
        for line, k, s, o in zip(inside, kernel_shape, strides, out)
    ]
    return graph.node("Div", total, np.multiply.outer(*counts)[None, None].astype(x.dtype))


def elu(graph: Any, x: Any, *, alpha: float = 1.0) -> Any:
    """Elu, with the digits of a small x."""
    from_zero = graph.node("Min", x, 0.0)
    below = graph.node("Mul", expm1(graph, from_zero), alpha)
    return graph.where(graph.node("Greater", x, 0.0, dtype=np.bool_), x, below)


def leaky_relu(graph: Any, x: Any, *, alpha: float = 0.01) -> Any:
    """LeakyRelu."""
    return graph.where(graph.node("Greater", x, 0.0, dtype=np.bool_), x, graph.node("Mul", x, alpha))


def softplus(graph: Any, x: Any) -> Any:
    """Softplus: max(x, 0) + log(1 + exp(-|x|))."""
    e = graph.node("Exp", graph.node("Neg", graph.node("Abs", x)))
    return graph.node("Add", graph.node("Relu", x), log1p(graph, e))


def log_softmax(graph: Any, x: Any, *, axis: int) -> Any:
    """LogSoftmax: beside an infinite element onnxruntime has -Inf in the place of NaN."""
    less = graph.node("Sub", x, graph.reduce("ReduceMax", x, [axis], True))
    return graph.node("Sub", less, graph.node("Log", graph.reduce("ReduceSum", graph.node("Exp", less), [axis], True)))


def erf(graph: Any, x: Any) -> Any:
    """Erf."""
    return graph.node("Sub", graph.value(1.0, x.dtype), erfc(graph, x))


def _windows(graph: Any, x: Any, w: Any, pads: Any, strides: Any, dilations: Any, group: int) -> Any:
    n, c = x.shape[:2]
    kernel, k = w.shape[2:], w.shape[0]
    out = [
        (size - d * (s - 1) - 1) // stride + 1 for size, d, s, stride in zip(x.shape[2:], dilations, kernel, strides)
    ]
    slices = _slices(graph, x, kernel, strides, dilations, out)
    places, area = len(slices), math.prod(out)
    flat = [graph.reshape(_shaped(graph, part, (n, c, *out)), (n, group, c // group, 1, area)) for part in slices]
    columns = graph.node("Concat", *flat, axis=3)  # (N, groups, C / groups, places, area)
    columns = _shaped(graph, columns, (n, group, c // group, places, area))
    columns = graph.reshape(columns, (n, group, c // group * places, area))
    weights = graph.reshape(w, (1, group, k // group, c // group * places))
    y = _shaped(graph, graph.node("MatMul", weights, columns), (n, group, k // group, area))
    return graph.reshape(y, (n, k, *out))


def _slices(graph: Any, x: Any, kernel: Any, strides: Any, dilations: Any, out: Any) -> list[Any]:
    """For each place of the kernel, row by row, the pixels that it meets."""
    found = []
    for places in itertools.product(*map(range, kernel)):
        part = x
        for axis, place, stride, d, o in zip((2, 3), places, strides, dilations, out):
            start = place * d
            part = graph.slice(part, axis, start, start + (o - 1) * stride + 1, stride)
        found.append(part)
    return found


def _padded(graph: Any, x: Any, pads: Any) -> Any:
    if not any(pads):
        return x
    shape = (*x.shape[:2], *_sizes(x, pads))
    amounts = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64)
    return _shaped(graph, graph.node("Pad", x, amounts, 0.0), shape)


def _sizes(x: Any, pads: Any) -> list[int]:
    return [n + a + b for n, a, b in zip(x.shape[2:], pads[:2], pads[2:])]


def _shaped(graph: Any, x: Any, shape: Sequence[int]) -> Any:
    """The same value, of which the shape is known."""
    return type(x)(x.name, x.dtype, tuple(shape), x.array, x.constant)


def resize(graph: Any, x: Any, roi: Any, scales: Any, *, mode: str, **_: Any) -> Any:
    """Resize by whole factors: pixels, or straight lines between the centres of neighbours."""
    factors = [int(f) for f in scales.constant[2:]]
    for axis, factor in zip((2, 3), factors):
        n = x.shape[axis]
        places = np.arange(n * factor)
        if mode == "nearest":
            x = between(graph, x, axis, places // factor, places // factor, np.zeros(n * factor))
        else:
            at = np.clip((places + 0.5) / factor - 0.5, 0, n - 1)
            low = np.floor(at).astype(np.int64)
            x = between(graph, x, axis, low, np.minimum(low + 1, n - 1), at - low)
    return x


def between(graph: Any, x: Any, axis: int, low: Any, high: Any, share: Any) -> Any:
    """Along one axis: elements `low` and `high`, a `share` (from 0 to 1) of the way from these to those."""
    graph.spreads = True
    shape = (*x.shape[:axis], len(low), *x.shape[axis + 1 :])
    y = graph.node("Gather", x, np.asarray(low, np.int64), axis=axis)
    if np.any(share):
        other = graph.node("Gather", x, np.asarray(high, np.int64), axis=axis)
        weights = [
            np.asarray(part, x.dtype).reshape([-1 if i == axis else 1 for i in range(len(shape))])
            for part in (1 - np.asarray(share), share)
        ]
        y = graph.node("Add", graph.node("Mul", y, weights[0]), graph.node("Mul", other, weights[1]))
    return _shaped(graph, y, shape)


#: By the names of operations of ONNX.
FORMS: dict[str, Callable[..., Any]] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "AveragePool": average_pool, "Elu": elu, "LeakyRelu": leaky_relu,
    "Softplus": softplus, "LogSoftmax": log_softmax, "Erf": erf, "Resize": resize,
}  # fmt: skip
