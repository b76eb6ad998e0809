"""Enlarging images that lie channels last: a register of the channels of a pixel at a time.

All arrays are (N, H, W, C) and C-contiguous, and their C channels fill at least one register; the last register of a
pixel may overlap the one before. Sums and weights are those of ``upsample.py``, in the same order, so the bits of a
result do not depend on the layout. A kernel does the lines from `first` to `last` - 1, counted on over all samples: for
`bilinear` of the larger image, else of the smaller one.

Imports: NumPy, ``lanes.py``, ``threads.py``. Specification: ``../reference/upsample.py``. Read next: ``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.lanes import add, lane_count, load, mul_add, splat, store
from minigen_kernels.cpu.threads import njit_shared

LINES = 8  # of a piece of work


@njit_shared(LINES)
def nearest(first: int, last: int, x: Array, y: Array, fh: int, fw: int) -> None:
    """Every pixel becomes a block of fh x fw equal ones."""
    _, H, W, C = x.shape
    source, target, lanes = x.reshape(-1), y.reshape(-1), lane_count(x)
    for line in range(first, last):
        for u in range(fh):
            for j in range(W):
                for v in range(fw):
                    at = (((line * fh + u) * W + j) * fw + v) * C
                    for c in range(0, C, lanes):
                        c = min(c, C - lanes)
                        store(target, at + c, load(source, (line * W + j) * C + c))


@njit_shared(LINES)
def block_sum(first: int, last: int, g: Array, gx: Array, fh: int, fw: int) -> None:
    """The sum of every block of fh x fw pixels."""
    _, H, W, C = gx.shape
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes, zero = lane_count(source), splat(g.dtype.type(0))
    for line in range(first, last):
        for j in range(W):
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                sums = zero
                for u in range(fh):
                    for v in range(fw):
                        sums = add(sums, load(source, (((line * fh + u) * W + j) * fw + v) * C + c))
                store(target, (line * W + j) * C + c, sums)


@njit_shared(LINES)
def bilinear(
    first: int, last: int, x: Array, y: Array, row_lower: Array, row_weight: Array, lower: Array, weight: Array
) -> None:
    """Straight lines between the pixels; the phases are those of ``upsample.py``."""
    _, H, W, C = x.shape
    fh, fw = len(row_lower), len(lower)
    source, target = x.reshape(-1), y.reshape(-1)
    lanes, zero, one = lane_count(source), splat(x.dtype.type(0)), x.dtype.type(1)
    between = np.empty(W * C, x.dtype)  # a line between two lines of x
    for line in range(first, last):
        n, i = divmod(line, H * fh)
        q, r = divmod(i, fh)
        a = (n * H + max(q + row_lower[r], 0)) * W * C
        b = (n * H + min(q + row_lower[r] + 1, H - 1)) * W * C
        wa, wb = splat(one - row_weight[r]), splat(row_weight[r])
        for k in range(0, W * C, lanes):
            k = min(k, W * C - lanes)
            store(between, k, mul_add(wa, load(source, a + k), mul_add(wb, load(source, b + k), zero)))
        for j in range(W):
            for v in range(fw):
                left, right = max(j + lower[v], 0) * C, min(j + lower[v] + 1, W - 1) * C
                wa, wb = splat(one - weight[v]), splat(weight[v])
                at = ((line * W + j) * fw + v) * C
                for c in range(0, C, lanes):
                    c = min(c, C - lanes)
                    upper = mul_add(wb, load(between, right + c), zero)
                    store(target, at + c, mul_add(wa, load(between, left + c), upper))


@njit_shared(LINES)
def bilinear_adjoint(
    first: int, last: int, g: Array, gx: Array, row_lower: Array, row_weight: Array, lower: Array, weight: Array
) -> None:
    """The adjoint of `bilinear`: first the rows, then the columns, then what lies beyond the edges."""
    _, H, W, C = gx.shape
    fh, fw = len(row_lower), len(lower)
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes, zero, one = lane_count(source), splat(g.dtype.type(0)), g.dtype.type(1)
    width = W * fw * C
    gathered = np.empty(width, g.dtype)  # what one line of gx gets from each column of results
    places, weights = np.empty(6 * max(fh, fw), np.int64), np.empty(6 * max(fh, fw), g.dtype)  # of the terms of a sum
    for line in range(first, last):
        n, h = divmod(line, H)
        terms = 0
        for r in range(fh):
            for upper in range(2):
                for q in range(max(h - 1, 0), min(h + 2, H)):
                    if min(max(q + row_lower[r] + upper, 0), H - 1) == h:
                        places[terms] = ((n * H + q) * fh + r) * width
                        weights[terms] = row_weight[r] if upper else one - row_weight[r]
                        terms += 1
        for k in range(0, width, lanes):
            k = min(k, width - lanes)
            sums = zero
            for t in range(terms):
                sums = mul_add(splat(weights[t]), load(source, places[t] + k), sums)
            store(gathered, k, sums)
        for j in range(W):
            terms = 0
            for v in range(fw):
                for upper in range(2):
                    q = j - lower[v] - upper
                    if 0 <= q < W:
                        places[terms] = (q * fw + v) * C
                        weights[terms] = weight[v] if upper else one - weight[v]
                        terms += 1
            for c in range(0, C, lanes):
                c = min(c, C - lanes)
                sums = zero
                for t in range(terms):
                    sums = mul_add(splat(weights[t]), load(gathered, places[t] + c), sums)
                store(target, (line * W + j) * C + c, sums)
        for v in range(fw):  # what lies beyond the edges has gone to the edge pixels
            edge, w = (0, one - weight[v]) if lower[v] < 0 else (W - 1, weight[v])
            for c in range(C):
                target[(line * W + edge) * C + c] += w * gathered[(edge * fw + v) * C + c]
