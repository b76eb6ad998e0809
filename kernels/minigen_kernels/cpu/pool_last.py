"""Pooling of images that lie channels last: a pixel of results at a time, a register of its channels at once.

All arrays are (N, H, W, C) and C-contiguous, and their C channels fill at least one register; the last register of a
pixel may overlap the one before. The numbers of a window are taken in the order of ``pool.py``, so the bits of a result
do not depend on the layout. A kernel does the lines from `first` to `last` - 1, counted on over all samples, of its
results (`scatter_tiles`: of g); `gather` and `scatter` do samples.

Imports: NumPy, Numba, choices, lanes, threads. Specification: ``../reference/pool.py``. Read next: ``upsample.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.choices import keep_where, leaky, store_places
from minigen_kernels.cpu.jit import njit_inner
from minigen_kernels.cpu.lanes import add, divide, keep_larger, lane_count, load, splat, store
from minigen_kernels.cpu.threads import njit_shared

LINES = 8  # of a piece of work


@njit_inner(error_model="numpy")
def _inside(first: int, k: int, size: int) -> tuple[int, int]:
    """The offsets of a window that begins at cell `first` which meet real cells: from, to."""
    return max(0, -first), min(k, size - first)


@njit_shared(LINES)
def max_pool(
    first: int,
    last: int,
    x: Array,
    b: Array,
    slope: float,
    y: Array,
    index: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
) -> None:
    """The largest number of each window, and where in its plane it stands; with biases b, of leaky_relu(x + b)."""
    _, H, W, C = x.shape
    _, oh, ow, _ = y.shape
    source, target, places = x.reshape(-1), y.reshape(-1), index.reshape(-1)
    lanes, number = lane_count(source), x.dtype.type
    lowest, unset = splat(number(-np.inf)), splat(number(-1))
    for line in range(first, last):
        n, i = divmod(line, oh)
        top, result = i * stride[0] - padding[0], line * ow * C
        first_u, last_u = _inside(top, kernel[0], H)
        for j in range(ow):
            left = j * stride[1] - padding[1]
            first_v, last_v = _inside(left, kernel[1], W)
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                best, mark = lowest, unset  # of the largest number so far: how far from the window's first cell
                for u in range(first_u, last_u):
                    for v in range(first_v, last_v):
                        here = load(source, ((n * H + top + u) * W + left + v) * C + c)
                        if b.size:
                            here = leaky(add(here, load(b, c)), number(slope))
                        best, mark = keep_larger(best, mark, here, splat(number(u * W + v)))
                store(target, result + c, best)
                # In a window of nothing but -inf: its first real cell.
                store_places(places, result + c, mark, top * W, max(top, 0) * W, left, 0)
            result += C


@njit_shared(1)
def gather(first: int, last: int, x: Array, index: Array, y: Array) -> None:
    """y[n, i, j, c] = x[n, ., ., c] at place index[n, i, j, c] of its plane."""
    N, H, W, C = x.shape
    cells, places = H * W, index.shape[1] * index.shape[2]
    source, numbers, target = x.reshape(N, cells, C), index.reshape(N, places, C), y.reshape(N, places, C)
    for n in range(first, last):
        for p in range(places):
            for c in range(C):
                target[n, p, c] = source[n, numbers[n, p, c], c]


@njit_shared(1)
def scatter(first: int, last: int, g: Array, index: Array, gx: Array) -> None:
    """gx[n, ., ., c] at place index[n, i, j, c] of its plane += g[n, i, j, c]."""
    N, H, W, C = gx.shape
    cells, places = H * W, index.shape[1] * index.shape[2]
    source, numbers, target = g.reshape(N, places, C), index.reshape(N, places, C), gx.reshape(N, cells, C)
    for n in range(first, last):
        for p in range(places):
            for c in range(C):
                target[n, numbers[n, p, c], c] += source[n, p, c]


@njit_shared(LINES)
def scatter_tiles(first: int, last: int, g: Array, index: Array, gx: Array, kernel: Pair, padding: Pair) -> None:
    """`scatter` for windows that tile the plane, each place in its own window: every cell is written once."""
    _, H, W, C = gx.shape
    _, oh, ow, _ = g.shape
    source, places, target, lanes = g.reshape(-1), index.reshape(-1), gx.reshape(-1), lane_count(g)
    for line in range(first, last):
        n, i = divmod(line, oh)
        top, result = i * kernel[0] - padding[0], line * ow * C
        for j in range(ow):
            left = j * kernel[1] - padding[1]
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                here = load(source, result + c)
                for row in range(max(0, top), min(top + kernel[0], H)):
                    for column in range(max(0, left), min(left + kernel[1], W)):
                        cell = row * W + column
                        kept = keep_where(here, places, result + c, cell)
                        store(target, (n * H * W + cell) * C + c, kept)
            result += C


@njit_shared(LINES)
def avg_pool(
    first: int, last: int, x: Array, y: Array, kernel: Pair, stride: Pair, padding: Pair, heights: Array, widths: Array
) -> None:
    """The sum of each window over its number of cells, heights[i] * widths[j]."""
    _, H, W, C = x.shape
    _, oh, ow, _ = y.shape
    source, target = x.reshape(-1), y.reshape(-1)
    lanes, zero = lane_count(source), splat(x.dtype.type(0))
    for line in range(first, last):
        n, i = divmod(line, oh)
        top, result = i * stride[0] - padding[0], line * ow * C
        first_u, last_u = _inside(top, kernel[0], H)
        for j in range(ow):
            left = j * stride[1] - padding[1]
            first_v, last_v = _inside(left, kernel[1], W)
            cells = splat(heights[i] * widths[j])
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                sums = zero
                for u in range(first_u, last_u):
                    for v in range(first_v, last_v):
                        sums = add(sums, load(source, ((n * H + top + u) * W + left + v) * C + c))
                store(target, result + c, divide(sums, cells))
            result += C


@njit_shared(LINES)
def avg_pool_adjoint(
    first: int, last: int, g: Array, gx: Array, kernel: Pair, stride: Pair, padding: Pair, heights: Array, widths: Array
) -> None:
    """Every result spreads its share over its window: first the rows of a column of results, then the columns."""
    _, H, W, C = gx.shape
    _, oh, ow, _ = g.shape
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes, zero = lane_count(source), splat(g.dtype.type(0))
    shares = np.empty(ow * C, g.dtype)  # what one line of gx gets from each column of results
    ready = (-1, 0, 0)  # sample, first and last row of the results that they come from
    for line in range(first, last):
        n, r = divmod(line, H)
        first_result = max(0, -((kernel[0] - 1 - r - padding[0]) // stride[0]))
        last_result = min(oh, (r + padding[0]) // stride[0] + 1)
        for j in range(0 if ready == (n, first_result, last_result) else ow):
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                share = zero
                for i in range(first_result, last_result):
                    result = load(source, ((n * oh + i) * ow + j) * C + c)
                    share = add(share, divide(result, splat(heights[i] * widths[j])))
                store(shares, j * C + c, share)
        ready = (n, first_result, last_result)
        for q in range(W):
            newest = min(ow - 1, (q + padding[1]) // stride[1])
            oldest = max(0, -((kernel[1] - 1 - q - padding[1]) // stride[1]))
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                total = zero
                for j in range(newest, oldest - 1, -1):
                    total = add(total, load(shares, j * C + c))
                store(target, (line * W + q) * C + c, total)
