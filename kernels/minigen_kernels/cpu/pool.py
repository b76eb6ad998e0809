"""Max and average pooling on the processor: a line of results at a time, a register of them at once.

That is for images that lie channels first; ``pool_last.py`` is for the others.

Offset v of the windows meets real cells for the results `first[v]` to `last[v] - 1` of a line (`_met`). Each offset is
then one load of as many neighbouring windows as a register holds; results whose cell is outside take no part.

Imports: NumPy, Numba, activation, choices, layout, lanes, pool_last, threads. Specification: ``../reference/pool.py``.
Read next: ``pool_last.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Window, as_ncl
from minigen_kernels.cpu import pool_last
from minigen_kernels.cpu.activation import bias_act, bias_act_backward
from minigen_kernels.cpu.choices import store_places
from minigen_kernels.cpu.lanes import (
    add,
    divide,
    keep_larger,
    lane_count,
    load,
    mul_add,
    put,
    splat,
    store,
    take,
)
from minigen_kernels.cpu.layout import as_channels_first, dense, empty, last, lies_last, like, memory
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.activation import check_bias_act


def max_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Maxima: x (N, C, H, W) -> y (N, C, oh, ow), and where in their planes they stand, int64."""
    return _max_pool2d(x, np.empty(0, x.dtype), 1.0, out_hw, kernel, stride, padding)


def _max_pool2d(
    x: Array, b: Array, slope: float, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """`max_pool2d`; channels last, with biases b (C,), of leaky_relu(x + b)."""
    x = dense(x) if kernel[0] * x.shape[3] < 1 << 24 else as_channels_first(x)  # steps that a float32 can hold
    y, index = (empty((*x.shape[:2], *out_hw), dtype, x) for dtype in (x.dtype, np.int64))
    if lies_last(x):
        pool_last.max_pool(len(x) * out_hw[0], last(x), b, float(slope), last(y), last(index), kernel, stride, padding)
        return y, index
    rows = _met(x.shape[2], out_hw[0], kernel[0], stride[0], padding[0])
    columns = _met(x.shape[3], out_hw[1], kernel[1], stride[1], padding[1])
    _max_pool(_planes(x), _planes(y), _planes(index), rows, columns, stride, padding)
    return y, index


def bias_act_max_pool2d(
    x: Array, b: Array, activation: str, slope: float, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """Maxima of activation(x + b): x (N, C, H, W), b (C,) -> y (N, C, oh, ow), and where in their planes they stand."""
    window = out_hw, kernel, stride, padding
    if activation in ("identity", "leaky_relu") and lies_last(dense(x)):
        check_bias_act("bias_act_max_pool2d", as_ncl(x), activation, slope, b=b)
        return _max_pool2d(x, np.ascontiguousarray(b), slope if activation == "leaky_relu" else 1.0, *window)
    return max_pool2d(bias_act(as_ncl(x), b, activation, slope).reshape(x.shape), *window)


def bias_act_max_pool2d_backward(
    gy: Array, y: Array, index: Array, activation: str, slope: float, hw: Pair, window: Window
) -> tuple[Array, Array]:
    """Gradients: gy, y, index (N, C, oh, ow) -> gx (N, C, *hw), gb (C,)."""
    small, gb = bias_act_backward(as_ncl(gy), as_ncl(y), activation, slope)
    return plane_scatter(small.reshape(y.shape), index, hw, window), gb


def plane_gather(x: Array, index: Array) -> Array:
    """y[n, c, i, j] = x[n, c].flat[index[n, c, i, j]]. x (N, C, H, W), index (N, C, oh, ow) -> y."""
    x = dense(x)
    index, y = like(index, x), empty(index.shape, x.dtype, x)
    if lies_last(x):
        pool_last.gather(len(x), last(x), last(index), last(y))
        return y
    _gather(_flat_planes(x), _flat_planes(index), _flat_planes(y))
    return y


def plane_scatter(g: Array, index: Array, hw: Pair, window: Window | None) -> Array:
    """gx[n, c].flat[index[n, c, i, j]] += g[n, c, i, j]. g, index (N, C, oh, ow) -> gx (N, C, *hw).

    One plane has one writer, which adds in row-major order; so `window` is needed only to go without zeros.
    """
    g = dense(g)
    index, gx = like(index, g), empty((*g.shape[:2], *hw), g.dtype, g)
    if lies_last(g) and window is not None and _tiled(hw, index.shape[2:], *window):
        pool_last.scatter_tiles(len(g) * g.shape[2], last(g), last(index), last(gx), window[0], window[2])
        return gx
    memory(gx).fill(0)
    if lies_last(g):
        pool_last.scatter(len(g), last(g), last(index), last(gx))
        return gx
    _scatter(_flat_planes(g), _flat_planes(index), _flat_planes(gx))
    return gx


def avg_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """The mean of every window: x (N, C, H, W) -> y (N, C, oh, ow)."""
    x = dense(x)
    y = empty((*x.shape[:2], *out_hw), x.dtype, x)
    counts = _counts(x.shape[2:], out_hw, kernel, stride, padding, count_include_pad, x.dtype)
    if lies_last(x):
        pool_last.avg_pool(len(x) * out_hw[0], last(x), last(y), kernel, stride, padding, *counts)
        return y
    rows = _met(x.shape[2], out_hw[0], kernel[0], stride[0], padding[0])
    columns = _met(x.shape[3], out_hw[1], kernel[1], stride[1], padding[1])
    _avg_pool(_planes(x), _planes(y), rows, columns, stride, padding, *counts)
    return y


def avg_pool2d_adjoint(g: Array, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """Every result spreads its share over its window: g (N, C, oh, ow) -> gx (N, C, *hw)."""
    g = dense(g)
    gx = empty((*g.shape[:2], *hw), g.dtype, g)
    counts = _counts(hw, g.shape[2:], kernel, stride, padding, count_include_pad, g.dtype)
    if lies_last(g):
        pool_last.avg_pool_adjoint(len(g) * hw[0], last(g), last(gx), kernel, stride, padding, *counts)
        return gx
    _avg_pool_adjoint(_planes(g), _planes(gx), kernel, stride, padding, *counts)
    return gx


def _planes(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])


def _flat_planes(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], a.shape[2] * a.shape[3])


def _tiled(hw: Pair, out_hw: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> bool:
    """Whether every cell of the plane is in exactly one window."""
    return kernel == stride and all(o * s - p >= n for n, o, s, p in zip(hw, out_hw, stride, padding))


def _met(size: int, out: int, k: int, stride: int, padding: int) -> Array:
    """The results that meet a real cell with each offset of their windows, along one axis: (k, 2).

    For offset v, the first result whose cell result * stride - padding + v is real, and the last one plus one.
    """
    offsets = np.arange(k) - padding
    first = np.clip(-(offsets // stride), 0, out)
    last = np.clip(-((offsets - size) // stride), 0, out)
    return np.stack([first, np.maximum(first, last)], axis=1)


def _counts(
    hw: tuple[int, ...],
    out_hw: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    dtype: np.dtype[np.generic],
) -> tuple[Array, Array]:
    """How many rows, and how many columns, of each window its mean counts: (oh,), (ow,)."""
    counts = []
    for size, out, k, s, p in zip(hw, out_hw, kernel, stride, padding):
        first = np.arange(out) * s - p
        low, high = (-p, size + p) if count_include_pad else (0, size)
        counts.append((np.minimum(first + k, high) - np.maximum(first, low)).astype(dtype))
    return counts[0], counts[1]


@njit_shared()
def _max_pool(x: Array, y: Array, index: Array, rows: Array, columns: Array, stride: Pair, padding: Pair) -> None:
    planes, H, W = x.shape
    oh, ow = y.shape[1:]
    kh, kw = len(rows), len(columns)
    source, target, places = x.reshape(-1), y.reshape(-1), index.reshape(-1)
    lanes = lane_count(source)
    number = x.dtype.type
    lowest, unset = splat(number(-np.inf)), splat(number(-1))
    marks = np.empty(lanes, x.dtype)  # how far the largest cell is from the first one of its window, or unset
    for line in range(planes * oh):
        plane, i = divmod(line, oh)
        top = i * stride[0] - padding[0]
        row, edge = top * W, max(top, 0) * W  # of a window of nothing but -inf it is the first real cell
        for j in range(0, ow, lanes):
            best, mark = lowest, unset
            left, result = j * stride[1] - padding[1], line * ow + j
            for u in range(kh):
                if rows[u, 0] <= i < rows[u, 1]:
                    for v in range(kw):
                        low, high = columns[v, 0] - j, columns[v, 1] - j
                        here = take(source, (plane * H + top + u) * W + left + v, stride[1], low, high, lowest)
                        best, mark = keep_larger(best, mark, here, splat(number(u * W + v)))
            if result + lanes <= target.size:  # whole registers: what is too much is written again by later lines
                store(target, result, best)
                store_places(places, result, mark, row, edge, left, stride[1])
            else:
                put(target, result, 1, 0, ow - j, best)
                store(marks, 0, mark)
                for lane in range(min(lanes, ow - j)):
                    column, step = left + lane * stride[1], int(marks[lane])
                    places[result + lane] = row + column + step if step >= 0 else edge + max(column, 0)


@njit_shared()
def _gather(x: Array, index: Array, y: Array) -> None:
    for plane in range(index.shape[0]):
        for p in range(index.shape[1]):
            y[plane, p] = x[plane, index[plane, p]]


@njit_shared()
def _scatter(g: Array, index: Array, gx: Array) -> None:
    for plane in range(index.shape[0]):
        for p in range(index.shape[1]):
            gx[plane, index[plane, p]] += g[plane, p]


@njit_shared()
def _avg_pool(
    x: Array,
    y: Array,
    rows: Array,
    columns: Array,
    stride: Pair,
    padding: Pair,
    heights: Array,
    widths: Array,
) -> None:
    planes, H, W = x.shape
    oh, ow = y.shape[1:]
    source, target = x.reshape(-1), y.reshape(-1)
    lanes = lane_count(source)
    zero, one = splat(x.dtype.type(0)), splat(x.dtype.type(1))
    for line in range(planes * oh):
        plane, i = divmod(line, oh)
        top = i * stride[0] - padding[0]
        height = splat(heights[i])
        for j in range(0, ow, lanes):
            sums = zero
            for u in range(len(rows)):
                if rows[u, 0] <= i < rows[u, 1]:
                    row = (plane * H + top + u) * W + j * stride[1] - padding[1]
                    for v in range(len(columns)):
                        low, high = columns[v, 0] - j, columns[v, 1] - j
                        sums = add(sums, take(source, row + v, stride[1], low, high, zero))
            width = take(widths, j, 1, 0, ow - j, one)
            mean = divide(sums, mul_add(height, width, zero))
            put(target, line * ow + j, 1, 0, ow - j, mean)


@njit_shared()
def _avg_pool_adjoint(
    g: Array,
    gx: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    heights: Array,
    widths: Array,
) -> None:
    planes, H, W = gx.shape
    oh, ow = g.shape[1:]
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes = lane_count(source)
    zero, one = splat(g.dtype.type(0)), splat(g.dtype.type(1))
    # What one line of gx gets from each column of results, with zeros before and behind.
    margin = kernel[1] // stride[1] + 1
    reach = (W + padding[1]) // stride[1] + 1
    shares = np.zeros(margin + max(ow, reach) + 2 * lanes, g.dtype)
    for line in range(planes * H):
        plane, r = divmod(line, H)
        first_result = max(0, -((kernel[0] - 1 - r - padding[0]) // stride[0]))
        last_result = min(oh, (r + padding[0]) // stride[0] + 1)
        for j in range(0, ow, lanes):
            share = zero
            width = take(widths, j, 1, 0, ow - j, one)
            for i in range(first_result, last_result):
                result = take(source, (plane * oh + i) * ow + j, 1, 0, ow - j, zero)
                share = add(share, divide(result, mul_add(splat(heights[i]), width, zero)))
            put(shares, margin + j, 1, 0, ow - j, share)
        for a in range(stride[1]):  # the cells c with c + padding = q * stride + a
            first = max(0, -((a - padding[1]) // stride[1]))
            last = -((a - padding[1] - W) // stride[1])
            for q in range(first, last, lanes):
                total = zero
                for back in range(-(-(kernel[1] - a) // stride[1])):
                    total = add(total, load(shares, margin + q - back))
                put(target, line * W + q * stride[1] + a - padding[1], stride[1], 0, last - q, total)
