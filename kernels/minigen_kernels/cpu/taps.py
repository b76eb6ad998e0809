"""The loops of a convolution: between images and frames, and the sums over the taps of a kernel.

What frames and taps are: ``frame.py``. Flat arrays and plain integers only; every array is contiguous.
The arithmetic keeps a block of sums in registers: 4 channels times 3 (or 4) registers of places, for
which 12 (or 16) multiplications need 7 (or 8) loads.

Imports: Numba. Read next: ``conv.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.lanes import (
    lane_count,
    load,
    mul_add,
    put,
    splat,
    store,
    take,
    total,
)

Cells = tuple[int, int, int]  # along one axis: the first cell, the step to the next, how many


@njit_cached()
def pack(
    images: Array,
    first: int,
    count: int,
    rows: Cells,
    columns: Cells,
    cells: Array,
    phase: int,
    phases: int,
    lead: int,
    sample: int,
    pitch: int,
) -> None:
    """Copy some rows and columns of images `first`, ..., `first + count - 1` into frame `phase`.

    images (N, C, H, W), cells (groups, C/groups * phases, places). Their first cell comes to place
    `lead`; lines are `pitch` places apart, samples `sample`.
    """
    C, H, W = images.shape[1:]
    groups, planes, places = cells.shape
    source, target = images.reshape(-1), cells.reshape(-1)
    lanes, nothing = lane_count(source), splat(source.dtype.type(0))
    row, row_step, row_count = rows
    column, step, line_length = columns
    for n in range(count):
        for c in range(C):
            group, member = divmod(c, C // groups)
            t = (group * planes + member * phases + phase) * places + lead + n * sample
            s = (((first + n) * C + c) * H + row) * W + column
            for _ in range(row_count):
                for j in range(0, line_length, lanes):
                    part = take(source, s + j * step, step, 0, line_length - j, nothing)
                    put(target, t + j, 1, 0, line_length - j, part)
                t += pitch
                s += row_step * W


@njit_cached()
def unpack(
    sums: Array,
    images: Array,
    first: int,
    count: int,
    rows: Cells,
    columns: Cells,
    sample: int,
    pitch: int,
) -> None:
    """The way back: copy results to some rows and columns of images `first`, ..., `first + count - 1`.

    sums (groups, at least K/groups, places), images (N, K, H, W).
    """
    K, H, W = images.shape[1:]
    groups, planes, places = sums.shape
    source, target = sums.reshape(-1), images.reshape(-1)
    lanes, nothing = lane_count(source), splat(source.dtype.type(0))
    row, row_step, row_count = rows
    column, step, line_length = columns
    for n in range(count):
        for k in range(K):
            group, member = divmod(k, K // groups)
            s = (group * planes + member) * places + n * sample
            t = (((first + n) * K + k) * H + row) * W + column
            for _ in range(row_count):
                for j in range(0, line_length, lanes):
                    part = take(source, s + j, 1, 0, line_length - j, nothing)
                    put(target, t + j * step, step, 0, line_length - j, part)
                s += pitch
                t += row_step * W


@njit_cached()
def sum_of_taps(cells: Array, offsets: Array, weights: Array, sums: Array, places: int) -> None:
    """sums[g, k, p] = sum over t of weights[g, k // 4, t, k % 4] * cells[g].flat[p + offsets[t]].

    cells (groups, planes, places of a plane), offsets (T,), weights (groups, blocks of 4 channels, T,
    4), sums (groups, blocks * 4, a multiple of 3 registers), of which the first `places` are wanted.
    """
    groups, blocks, T, _ = weights.shape
    source, target = cells.reshape(-1), sums.reshape(-1)
    group_size = cells.shape[1] * cells.shape[2]
    width = sums.shape[2]
    lanes = lane_count(cells)
    zero = splat(sums.dtype.type(0))
    for g in range(groups):
        for p in range(0, places, 3 * lanes):
            for block in range(blocks):
                w = weights[g, block]
                s00 = s01 = s02 = s10 = s11 = s12 = zero
                s20 = s21 = s22 = s30 = s31 = s32 = zero
                for t in range(T):
                    at = g * group_size + p + offsets[t]
                    x0, x1, x2 = load(source, at), load(source, at + lanes), load(source, at + 2 * lanes)
                    wk = splat(w[t, 0])
                    s00, s01, s02 = mul_add(wk, x0, s00), mul_add(wk, x1, s01), mul_add(wk, x2, s02)
                    wk = splat(w[t, 1])
                    s10, s11, s12 = mul_add(wk, x0, s10), mul_add(wk, x1, s11), mul_add(wk, x2, s12)
                    wk = splat(w[t, 2])
                    s20, s21, s22 = mul_add(wk, x0, s20), mul_add(wk, x1, s21), mul_add(wk, x2, s22)
                    wk = splat(w[t, 3])
                    s30, s31, s32 = mul_add(wk, x0, s30), mul_add(wk, x1, s31), mul_add(wk, x2, s32)
                at = (g * blocks + block) * 4 * width + p
                for k, row in enumerate(((s00, s01, s02), (s10, s11, s12), (s20, s21, s22), (s30, s31, s32))):
                    for r, lane_sums in enumerate(row):
                        store(target, at + k * width + r * lanes, lane_sums)


@njit_cached()
def sum_of_taps_single(cells: Array, offsets: Array, weights: Array, sums: Array, places: int) -> None:
    """`sum_of_taps` for groups of a single result channel: weights (groups, T), sums (groups, 4, ...).

    With four registers of places for the one channel; only row 0 of each group's sums is written.
    """
    groups, T = weights.shape
    source, target = cells.reshape(-1), sums.reshape(-1)
    group_size = cells.shape[1] * cells.shape[2]
    lanes = lane_count(cells)
    zero = splat(sums.dtype.type(0))
    for g in range(groups):
        for p in range(0, places, 6 * lanes):
            s0 = s1 = s2 = s3 = s4 = s5 = zero
            for t in range(T):
                at = g * group_size + p + offsets[t]
                w = splat(weights[g, t])
                s0 = mul_add(w, load(source, at), s0)
                s1 = mul_add(w, load(source, at + lanes), s1)
                s2 = mul_add(w, load(source, at + 2 * lanes), s2)
                s3 = mul_add(w, load(source, at + 3 * lanes), s3)
                s4 = mul_add(w, load(source, at + 4 * lanes), s4)
                s5 = mul_add(w, load(source, at + 5 * lanes), s5)
            at = g * sums.shape[1] * sums.shape[2] + p
            for r, lane_sums in enumerate((s0, s1, s2, s3, s4, s5)):
                store(target, at + r * lanes, lane_sums)


@njit_cached()
def dot_of_taps(cells: Array, offsets: Array, results: Array, gw: Array, places: int) -> None:
    """gw[g, k, t] += sum over the first `places` p of results[g, k, p] * cells[g].flat[p + offsets[t]].

    cells (groups, planes, places of a plane), offsets (T,), results (groups, K, a multiple of a
    register), zero beyond `places`, gw (groups, K, T); K and T are multiples of 4.
    """
    groups, K, width = results.shape
    x, y = cells.reshape(-1), results.reshape(-1)
    group_size = cells.shape[1] * cells.shape[2]
    lanes = lane_count(cells)
    zero = splat(results.dtype.type(0))
    for g in range(groups):
        for k in range(0, K, 4):
            y0 = (g * K + k) * width
            y1, y2, y3 = y0 + width, y0 + 2 * width, y0 + 3 * width
            for t in range(0, len(offsets), 4):
                a0 = g * group_size + offsets[t]
                a1 = g * group_size + offsets[t + 1]
                a2 = g * group_size + offsets[t + 2]
                a3 = g * group_size + offsets[t + 3]
                s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = zero
                s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = zero
                for p in range(0, places, lanes):
                    x0, x1, x2, x3 = load(x, a0 + p), load(x, a1 + p), load(x, a2 + p), load(x, a3 + p)
                    yk = load(y, y0 + p)
                    s00, s01 = mul_add(yk, x0, s00), mul_add(yk, x1, s01)
                    s02, s03 = mul_add(yk, x2, s02), mul_add(yk, x3, s03)
                    yk = load(y, y1 + p)
                    s10, s11 = mul_add(yk, x0, s10), mul_add(yk, x1, s11)
                    s12, s13 = mul_add(yk, x2, s12), mul_add(yk, x3, s13)
                    yk = load(y, y2 + p)
                    s20, s21 = mul_add(yk, x0, s20), mul_add(yk, x1, s21)
                    s22, s23 = mul_add(yk, x2, s22), mul_add(yk, x3, s23)
                    yk = load(y, y3 + p)
                    s30, s31 = mul_add(yk, x0, s30), mul_add(yk, x1, s31)
                    s32, s33 = mul_add(yk, x2, s32), mul_add(yk, x3, s33)
                for i, row in enumerate(
                    (
                        (s00, s01, s02, s03),
                        (s10, s11, s12, s13),
                        (s20, s21, s22, s23),
                        (s30, s31, s32, s33),
                    )
                ):
                    for j, lane_sums in enumerate(row):
                        gw[g, k + i, t + j] += total(lane_sums)
