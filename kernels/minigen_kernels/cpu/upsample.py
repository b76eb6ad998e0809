"""Enlarging images by whole factors on the processor, a register of neighbouring cells at a time.

That is for images that lie channels first; ``upsample_last.py`` is for the others.

Along one axis, result q * f + r of the bilinear kind lies between two neighbouring cells: those with the
numbers q - 1 and q in the first half of the f phases r, q and q + 1 in the second half, and the weights
depend on r alone (`_phases`). A number beyond the edge means the edge cell.

Imports: NumPy, Numba, activation, layout, lanes, threads, upsample_last. Specification: ``../reference/upsample.py``.
Read next: ``upsample_last.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.cpu import upsample_last
from minigen_kernels.cpu.activation import bias_act_backward
from minigen_kernels.cpu.lanes import add, lane_count, load, mul_add, put, splat, take
from minigen_kernels.cpu.layout import dense, empty, last, lies_last
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.upsample import check_enlarged


def upsample_nearest2d(x: Array, scale: Pair) -> Array:
    """Every cell becomes a block of equal cells: x (N, C, H, W) -> y (N, C, H*fh, W*fw)."""
    x = dense(x)
    N, C, H, W = x.shape
    y = empty((N, C, H * scale[0], W * scale[1]), x.dtype, x)
    if lies_last(x):
        upsample_last.nearest(N * H, last(x), last(y), *scale)
        return y
    _nearest(_planes(x), _planes(y), *scale)
    return y


def block_sum2d(g: Array, scale: Pair) -> Array:
    """The sum of every block of cells: g (N, C, H*fh, W*fw) -> gx (N, C, H, W)."""
    g = dense(g)
    N, C, oh, ow = g.shape
    gx = empty((N, C, oh // scale[0], ow // scale[1]), g.dtype, g)
    if lies_last(g):
        upsample_last.block_sum(N * gx.shape[2], last(g), last(gx), *scale)
        return gx
    _block_sum(_planes(g), _planes(gx), *scale)
    return gx


def upsample_bilinear2d(x: Array, scale: Pair) -> Array:
    """Straight-line interpolation between cell centres: x (N, C, H, W) -> y (N, C, H*fh, W*fw)."""
    x = dense(x)
    N, C, H, W = x.shape
    y = empty((N, C, H * scale[0], W * scale[1]), x.dtype, x)
    phases = *_phases(scale[0], x.dtype), *_phases(scale[1], x.dtype)
    if lies_last(x):
        upsample_last.bilinear(N * y.shape[2], last(x), last(y), *phases)
        return y
    _bilinear(_planes(x), _planes(y), *phases)
    return y


def upsample_bilinear2d_adjoint(g: Array, scale: Pair) -> Array:
    """The adjoint of `upsample_bilinear2d`: g (N, C, H*fh, W*fw) -> gx (N, C, H, W)."""
    g = dense(g)
    N, C, oh, ow = g.shape
    gx = empty((N, C, oh // scale[0], ow // scale[1]), g.dtype, g)
    phases = *_phases(scale[0], g.dtype), *_phases(scale[1], g.dtype)
    if lies_last(g):
        upsample_last.bilinear_adjoint(N * gx.shape[2], last(g), last(gx), *phases)
        return gx
    _bilinear_adjoint(_planes(g), _planes(gx), *phases)
    return gx


def bias_act_upsample_backward(gy: Array, y: Array, activation: str, slope: float, scale: Pair) -> tuple[Array, Array]:
    """Gradients before an enlargement: gy (N, C, H*fh, W*fw), y (N, C, H, W) -> gx (N, C, H, W), gb (C,)."""
    check_enlarged("bias_act_upsample_backward", gy, y, scale)
    gx, gb = bias_act_backward(as_ncl(block_sum2d(gy, scale)), as_ncl(y), activation, slope)
    return gx.reshape(y.shape), gb


def _planes(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])


def _phases(f: int, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
    """For each phase r of an axis: the lower of its two cells, less q (-1 or 0); the weight of the upper one."""
    place = (np.arange(f) + 0.5) / f - 0.5
    lower = np.floor(place).astype(np.int64)
    return lower, (place - lower).astype(dtype)


@njit_shared()
def _nearest(x: Array, y: Array, fh: int, fw: int) -> None:
    planes, H, W = x.shape
    source, target = x.reshape(-1), y.reshape(-1)
    lanes, nothing = lane_count(source), splat(x.dtype.type(0))
    for line in range(planes * H):
        for j in range(0, W, lanes):
            cells = take(source, line * W + j, 1, 0, W - j, nothing)
            for u in range(fh):
                for v in range(fw):
                    put(target, ((line * fh + u) * W + j) * fw + v, fw, 0, W - j, cells)


@njit_shared()
def _block_sum(g: Array, gx: Array, fh: int, fw: int) -> None:
    planes, H, W = gx.shape
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes, zero = lane_count(source), splat(g.dtype.type(0))
    for line in range(planes * H):
        for j in range(0, W, lanes):
            sums = zero
            for u in range(fh):
                for v in range(fw):
                    at = ((line * fh + u) * W + j) * fw + v
                    sums = add(sums, take(source, at, fw, 0, W - j, zero))
            put(target, line * W + j, 1, 0, W - j, sums)


@njit_shared()
def _bilinear(x: Array, y: Array, row_lower: Array, row_weight: Array, lower: Array, weight: Array) -> None:
    planes, H, W = x.shape
    fh, fw = len(row_lower), len(lower)
    source, target = x.reshape(-1), y.reshape(-1)
    lanes, zero = lane_count(source), splat(x.dtype.type(0))
    one = x.dtype.type(1)
    edged = np.empty(W + 2 + lanes, x.dtype)  # a line between two lines of x, its edge cells doubled
    for line in range(planes * H * fh):
        plane, i = divmod(line, H * fh)
        q, r = divmod(i, fh)
        a = (plane * H + max(q + row_lower[r], 0)) * W
        b = (plane * H + min(q + row_lower[r] + 1, H - 1)) * W
        wa, wb = splat(one - row_weight[r]), splat(row_weight[r])
        for j in range(0, W, lanes):
            upper = take(source, b + j, 1, 0, W - j, zero)
            between = mul_add(wa, take(source, a + j, 1, 0, W - j, zero), mul_add(wb, upper, zero))
            put(edged, 1 + j, 1, 0, W - j, between)
        edged[0], edged[W + 1] = edged[1], edged[W]
        for j in range(0, W, lanes):
            for v in range(fw):
                at = 1 + j + lower[v]
                wa, wb = splat(one - weight[v]), splat(weight[v])
                result = mul_add(wa, load(edged, at), mul_add(wb, load(edged, at + 1), zero))
                put(target, (line * W + j) * fw + v, fw, 0, W - j, result)


@njit_shared()
def _bilinear_adjoint(g: Array, gx: Array, row_lower: Array, row_weight: Array, lower: Array, weight: Array) -> None:
    planes, H, W = gx.shape
    fh, fw = len(row_lower), len(lower)
    source, target = g.reshape(-1), gx.reshape(-1)
    lanes, zero = lane_count(source), splat(g.dtype.type(0))
    one = g.dtype.type(1)
    gathered = np.empty(W * fw, g.dtype)  # what one line of gx gets from each column of results
    for line in range(planes * H):
        plane, h = divmod(line, H)
        for j in range(0, W * fw, lanes):
            sums = zero
            for r in range(fh):
                for upper in range(2):
                    w = row_weight[r] if upper else one - row_weight[r]
                    for q in range(max(h - 1, 0), min(h + 2, H)):
                        if min(max(q + row_lower[r] + upper, 0), H - 1) == h:
                            at = ((plane * H + q) * fh + r) * W * fw + j
                            sums = mul_add(splat(w), take(source, at, 1, 0, W * fw - j, zero), sums)
            put(gathered, j, 1, 0, W * fw - j, sums)
        for j in range(0, W, lanes):
            sums = zero
            for v in range(fw):
                for upper in range(2):
                    w = splat(weight[v] if upper else one - weight[v])
                    q = j - lower[v] - upper  # of lane 0; the results are 0 <= q + lane < W
                    results = take(gathered, q * fw + v, fw, -q, W - q, zero)
                    sums = mul_add(w, results, sums)
            put(target, line * W + j, 1, 0, W - j, sums)
        for v in range(fw):  # what lies beyond the edges has gone to the edge cells
            if lower[v] < 0:
                target[line * W] += (one - weight[v]) * gathered[v]
            else:
                target[line * W + W - 1] += weight[v] * gathered[(W - 1) * fw + v]
