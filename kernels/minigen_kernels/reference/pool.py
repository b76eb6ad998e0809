"""Max and average pooling, the obvious way: a loop over the few cells of the window.

Result (i, j) looks through a window of kh x kw cells of its plane, whose first cell is
(i*sh - ph, j*sw - pw). A window may hang over any edge; it holds at least one cell of the plane.
Max pooling returns where it found each maximum, so that its gradient is a pure move of numbers:
`plane_gather` reads these places, `plane_scatter` adds to them, and each is the other's adjoint.

This file is the specification. Imports: NumPy. Read next: ``upsample.py``, ``../cpu/pool.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array, Pair, Window, as_ncl
from minigen_kernels.reference.activation import bias_act, bias_act_backward


def max_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """The largest cell of every window, and where in its plane it stands.

    x (N, C, H, W) -> y (N, C, oh, ow) and index (N, C, oh, ow), int64: the position in the flat
    plane of H * W cells. Of equal cells the first in row-major order is taken. Cells outside the
    plane are never chosen, not even among -inf. NaN counts as the largest, so it reaches the result.
    """
    N, C, H, W = x.shape
    y = np.full((N, C, *out_hw), -np.inf, x.dtype)
    index = np.full((N, C, *out_hw), -1, np.int64)
    for u, v in np.ndindex(kernel):
        results, cells, rows, columns = _meet(u, v, (H, W), out_hw, stride, padding)
        here, best = x[cells], y[results]
        position = rows[:, None] * W + columns
        larger = (here > best) | (np.isnan(here) & ~np.isnan(best)) | (index[results] < 0)
        y[results] = np.where(larger, here, best)
        index[results] = np.where(larger, position, index[results])
    return y, index


def bias_act_max_pool2d(
    x: Array, b: Array, activation: str, slope: float, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """`max_pool2d` of ``bias_act(x, b)``: x (N, C, H, W), b (C,) -> y, index (N, C, oh, ow)."""
    return max_pool2d(bias_act(as_ncl(x), b, activation, slope).reshape(x.shape), out_hw, kernel, stride, padding)


def bias_act_max_pool2d_backward(
    gy: Array, y: Array, index: Array, activation: str, slope: float, hw: Pair, window: Window
) -> tuple[Array, Array]:
    """Gradients of `bias_act_max_pool2d` in x and b: gy, y, index (N, C, oh, ow) -> gx (N, C, *hw), gb (C,).

    The activation's derivative, told from its result, is needed at the maxima alone, and y has them.
    """
    small, _ = bias_act_backward(as_ncl(gy), as_ncl(y), activation, slope)
    gx = plane_scatter(small.reshape(y.shape), index, hw, window)
    return gx, gx.sum(axis=(0, 2, 3), dtype=np.float64).astype(gx.dtype)


def plane_gather(x: Array, index: Array) -> Array:
    """y[n, c, i, j] = x[n, c].flat[index[n, c, i, j]]. x (N, C, H, W), index (N, C, oh, ow) -> y."""
    planes = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])
    places = index.reshape(*index.shape[:2], index.shape[2] * index.shape[3])
    return np.take_along_axis(planes, places, axis=2).reshape(index.shape)


def plane_scatter(g: Array, index: Array, hw: Pair, window: Window | None) -> Array:
    """The adjoint of `plane_gather`: gx[n, c].flat[index[n, c, i, j]] += g[n, c, i, j].

    g and index (N, C, oh, ow), hw = (H, W) -> gx (N, C, H, W), zero where nothing is added; where
    an index occurs more than once, its numbers add up in row-major order. `window` = (kernel, stride,
    padding), when given, promises that `index` comes from a pooling of that geometry: then only a
    few results can name a given cell, and a device with many threads can let every cell look for them.
    """
    N, C = g.shape[:2]
    gx = np.zeros((N, C, hw[0] * hw[1]), g.dtype)
    n, c, _, _ = np.ogrid[:N, :C, :1, :1]
    np.add.at(gx, (n, c, index), g)
    return gx.reshape(N, C, *hw)


def avg_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """The mean of every window. x (N, C, H, W) -> y (N, C, oh, ow).

    The sum of the window's cells is divided by how many they are: with `count_include_pad` the cells
    of the plane padded by `padding` on all four sides, else those of the plane itself.
    """
    N, C, H, W = x.shape
    y = np.zeros((N, C, *out_hw), x.dtype)
    for u, v in np.ndindex(kernel):
        results, cells, _, _ = _meet(u, v, (H, W), out_hw, stride, padding)
        y[results] += x[cells]
    return y / _cell_counts((H, W), out_hw, kernel, stride, padding, count_include_pad, x.dtype)


def avg_pool2d_adjoint(g: Array, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """The adjoint of `avg_pool2d`: every result spreads its share evenly over its window.

    g (N, C, oh, ow), hw = (H, W) -> gx (N, C, H, W).
    """
    N, C, oh, ow = g.shape
    counts = _cell_counts(hw, (oh, ow), kernel, stride, padding, count_include_pad, g.dtype)
    share: Array = g / counts
    gx = np.zeros((N, C, *hw), g.dtype)
    for u, v in np.ndindex(kernel):
        results, cells, _, _ = _meet(u, v, hw, (oh, ow), stride, padding)
        gx[cells] += share[results]
    return gx


def _meet(
    u: int, v: int, hw: Pair, out_hw: Pair, stride: Pair, padding: Pair
) -> tuple[tuple[Any, ...], tuple[Any, ...], Array, Array]:
    """Which results meet a real cell with offset (u, v) of their window, and which cells these are.

    Returns an index into the results, the index of the cells in the plane, and the rows and columns
    of the latter.
    """
    results: list[slice] = []
    cells: list[slice] = []
    places: list[Array] = []
    for offset, size, out, s, p in zip((u, v), hw, out_hw, stride, padding):
        place = np.arange(out) * s - p + offset
        (real,) = np.nonzero((place >= 0) & (place < size))
        place = place[real]
        results.append(slice(int(real[0]), int(real[-1]) + 1) if len(real) else slice(0))
        cells.append(slice(int(place[0]), int(place[-1]) + 1, s) if len(real) else slice(0))
        places.append(place)
    return (Ellipsis, *results), (Ellipsis, *cells), places[0], places[1]


def _cell_counts(
    hw: Pair,
    out_hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    dtype: np.dtype[np.generic],
) -> Array:
    """How many cells each window's mean counts, (oh, ow)."""
    counts = []
    for size, out, k, s, p in zip(hw, out_hw, kernel, stride, padding):
        first = np.arange(out) * s - p
        low, high = (-p, size + p) if count_include_pad else (0, size)
        counts.append(np.minimum(first + k, high) - np.maximum(first, low))
    product: Array = (counts[0][:, None] * counts[1]).astype(dtype)
    return product
