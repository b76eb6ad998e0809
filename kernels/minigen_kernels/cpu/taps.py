"""The loops of a convolution: between images and frames, and the sums over the taps of a kernel.

What frames and taps are: ``frame.py``. Flat arrays and plain integers only; every array is contiguous.
The arithmetic keeps a block of sums in registers: 4 channels times 3 (or 4) registers of places, for
which 12 (or 16) multiplications need 7 (or 8) loads.

Imports: Numba, ``lanes.py``, ``squares.py``, ``threads.py``. Read next: ``conv.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached, njit_inner
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
from minigen_kernels.cpu.squares import gather_square, scatter_square
from minigen_kernels.cpu.threads import share

#: Multiplications of a piece of the work: some ten microseconds.
PIECE = 1 << 19

Cells = tuple[int, int, int]  # along one axis: the first cell, the step to the next, how many

#: Where `pack` puts a cell: from one sample to the next; from one line to the next; the place of the first cell; which
#: phase of how many.
Layout = tuple[int, int, int, int, int]


@njit_inner()
def pack(images: Array, first: int, count: int, rows: Cells, columns: Cells, cells: Array, layout: Layout) -> None:
    """Copy some rows and columns of images `first`, ..., `first + count - 1` to their places.

    images (N, C, H, W), cells (groups, C/groups * phases, places). Threads share the channels.
    """
    share(_pack_part, images.shape[1], 1, (images, first, count, rows, columns, cells, layout))


@njit_inner()
def _pack_part(
    begin: int, stop: int, images: Array, first: int, count: int, rows: Cells, columns: Cells, cells: Array,
    layout: Layout,
) -> None:  # fmt: skip
    C, H, W = images.shape[1:]
    groups, planes, places = cells.shape
    source, target = images.reshape(-1), cells.reshape(-1)
    lanes, nothing = lane_count(source), splat(source.dtype.type(0))
    row, row_step, row_count = rows
    column, step, line_length = columns
    image_pitch, pitch, lead, phase, phases = layout
    for c in range(begin, stop):
        group, member = divmod(c, C // groups)
        plane = (group * planes + member * phases + phase) * places + lead
        for n in range(count):
            s = (((first + n) * C + c) * H + row) * W + column
            t = plane + n * image_pitch
            for _ in range(row_count):
                for j in range(0, line_length, lanes):
                    part = take(source, s + j * step, step, 0, line_length - j, nothing)
                    put(target, t + j, 1, 0, line_length - j, part)
                t += pitch
                s += row_step * W


@njit_inner()
def unpack(sums: Array, images: Array, first: int, count: int, rows: Cells, columns: Cells, layout: Layout) -> None:
    """The inverse: copy results to some rows and columns of images `first`, ..., `first + count - 1`.

    sums (groups, at least K/groups, places), images (N, K, H, W).
    """
    share(_unpack_part, images.shape[1], 1, (sums, images, first, count, rows, columns, layout))


@njit_inner()
def _unpack_part(
    begin: int, stop: int, sums: Array, images: Array, first: int, count: int, rows: Cells, columns: Cells,
    layout: Layout,
) -> None:  # fmt: skip
    K, H, W = images.shape[1:]
    groups, planes, places = sums.shape
    source, target = sums.reshape(-1), images.reshape(-1)
    lanes, nothing = lane_count(source), splat(source.dtype.type(0))
    row, row_step, row_count = rows
    column, step, line_length = columns
    image_pitch, pitch, lead, _, _ = layout
    for k in range(begin, stop):
        group, member = divmod(k, K // groups)
        plane = (group * planes + member) * places + lead
        for n in range(count):
            s = plane + n * image_pitch
            t = (((first + n) * K + k) * H + row) * W + column
            for _ in range(row_count):
                for j in range(0, line_length, lanes):
                    part = take(source, s + j, 1, 0, line_length - j, nothing)
                    put(target, t + j * step, step, 0, line_length - j, part)
                s += pitch
                t += row_step * W


@njit_inner()
def pack_interleaved(images: Array, first: int, count: int, places: Array, phases: int, cells: Array) -> None:
    """`pack` of all phases for interleaved samples: a register for each cell (``frame.interleaved_places``)."""
    share(_pack_interleaved_part, images.shape[1], 1, (images, first, count, places, phases, cells))


@njit_inner()
def _pack_interleaved_part(
    begin: int, stop: int, images: Array, first: int, count: int, places: Array, phases: int, cells: Array
) -> None:
    C, H, W = images.shape[1:]
    groups, planes, width = cells.shape
    source, target, size = images.reshape(-1), cells.reshape(-1), H * W
    lanes = lane_count(source)
    for strip in range(0, count, lanes):
        place = places[strip // lanes]
        for c in range(begin, stop):
            group, member = divmod(c, C // groups)
            plane = (group * planes + member * phases) * width
            s = ((first + strip) * C + c) * size
            for j in range(0, size, lanes):
                scatter_square(source, s + j, C * size, count - strip, size - j, target, plane, place, j)


@njit_inner()
def unpack_interleaved(sums: Array, images: Array, first: int, count: int, places: Array) -> None:
    """The inverse, for all parts of the results; a cell without a place becomes zero."""
    share(_unpack_interleaved_part, images.shape[1], 1, (sums, images, first, count, places))


@njit_inner()
def _unpack_interleaved_part(
    begin: int, stop: int, sums: Array, images: Array, first: int, count: int, places: Array
) -> None:
    K, H, W = images.shape[1:]
    groups, planes, width = sums.shape
    source, target, size = sums.reshape(-1), images.reshape(-1), H * W
    lanes = lane_count(source)
    for strip in range(0, count, lanes):
        place = places[strip // lanes]
        for k in range(begin, stop):
            group, member = divmod(k, K // groups)
            plane = (group * planes + member) * width
            t = ((first + strip) * K + k) * size
            for j in range(0, size, lanes):
                gather_square(target, t + j, K * size, count - strip, size - j, source, plane, place, j)


@njit_inner()
def sum_of_taps(
    cells: Array, offsets: Array, weights: Array, sums: Array, at: int, starts: Array, at_once: int
) -> None:
    """sums[g, k, at + r] = sum over t of weights[g, k // 4, t, k % 4] * cells[g].flat[starts[r] + offsets[t]].

    r counts registers. cells (groups, planes, places), offsets (T,), weights (groups, blocks of 4 channels, T, 4),
    starts (R,), R a multiple of 3; sums (groups, blocks * 4, from `at` on at least R registers). Works through
    `at_once` taps before the next ones, so that their weights and cells stay in the cache. Threads share the registers.
    """
    groups, blocks, T, _ = weights.shape
    work = groups * blocks * 12 * T * lane_count(sums)
    args = (cells, offsets, weights, sums, at, starts, at_once)
    share(_sum_part, len(starts) // 3, 1 + PIECE // (1 + work), args)


@njit_inner()
def _sum_part(
    begin: int, stop: int, cells: Array, offsets: Array, weights: Array, sums: Array, at: int, starts: Array,
    at_once: int,
) -> None:  # fmt: skip
    groups, blocks, T, _ = weights.shape
    source, target = cells.reshape(-1), sums.reshape(-1)
    width = sums.shape[2]
    lanes = lane_count(source)
    for g in range(groups):
        base = g * cells.shape[1] * cells.shape[2]
        for first in range(0, T, at_once):
            for r in range(3 * begin, 3 * stop, 3):
                a0, a1, a2 = base + starts[r], base + starts[r + 1], base + starts[r + 2]
                for block in range(blocks):
                    w = weights[g, block]
                    at0 = (g * blocks + block) * 4 * width + at + r * lanes
                    at1, at2, at3 = at0 + width, at0 + 2 * width, at0 + 3 * width
                    if first == 0:
                        s00 = s01 = s02 = s10 = s11 = s12 = splat(sums.dtype.type(0))
                        s20 = s21 = s22 = s30 = s31 = s32 = s00
                    else:
                        s00, s01, s02 = load(target, at0), load(target, at0 + lanes), load(target, at0 + 2 * lanes)
                        s10, s11, s12 = load(target, at1), load(target, at1 + lanes), load(target, at1 + 2 * lanes)
                        s20, s21, s22 = load(target, at2), load(target, at2 + lanes), load(target, at2 + 2 * lanes)
                        s30, s31, s32 = load(target, at3), load(target, at3 + lanes), load(target, at3 + 2 * lanes)
                    for t in range(first, min(first + at_once, T)):
                        o = offsets[t]
                        x0, x1, x2 = load(source, a0 + o), load(source, a1 + o), load(source, a2 + o)
                        wk = splat(w[t, 0])
                        s00, s01, s02 = mul_add(wk, x0, s00), mul_add(wk, x1, s01), mul_add(wk, x2, s02)
                        wk = splat(w[t, 1])
                        s10, s11, s12 = mul_add(wk, x0, s10), mul_add(wk, x1, s11), mul_add(wk, x2, s12)
                        wk = splat(w[t, 2])
                        s20, s21, s22 = mul_add(wk, x0, s20), mul_add(wk, x1, s21), mul_add(wk, x2, s22)
                        wk = splat(w[t, 3])
                        s30, s31, s32 = mul_add(wk, x0, s30), mul_add(wk, x1, s31), mul_add(wk, x2, s32)
                    for place, row in (
                        (at0, (s00, s01, s02)),
                        (at1, (s10, s11, s12)),
                        (at2, (s20, s21, s22)),
                        (at3, (s30, s31, s32)),
                    ):
                        for register, lane_sums in enumerate(row):
                            store(target, place + register * lanes, lane_sums)


@njit_inner()
def sum_of_taps_single(
    cells: Array, offsets: Array, weights: Array, sums: Array, at: int, starts: Array, at_once: int
) -> None:
    """`sum_of_taps` for groups of a single result channel: weights (groups, T), sums (groups, 4, ...).

    With six registers for the one channel (R is a multiple of 6); only row 0 of each group's sums is written. Taps
    and weights are few here: `at_once` is not used.
    """
    work = weights.size * 6 * lane_count(sums)
    share(_sum_single_part, len(starts) // 6, 1 + PIECE // (1 + work), (cells, offsets, weights, sums, at, starts))


@njit_inner()
def _sum_single_part(
    begin: int, stop: int, cells: Array, offsets: Array, weights: Array, sums: Array, at: int, starts: Array
) -> None:
    groups, T = weights.shape
    source, target = cells.reshape(-1), sums.reshape(-1)
    lanes = lane_count(source)
    zero = splat(sums.dtype.type(0))
    for g in range(groups):
        base = g * cells.shape[1] * cells.shape[2]
        for r in range(6 * begin, 6 * stop, 6):
            a0, a1, a2 = base + starts[r], base + starts[r + 1], base + starts[r + 2]
            a3, a4, a5 = base + starts[r + 3], base + starts[r + 4], base + starts[r + 5]
            s0 = s1 = s2 = s3 = s4 = s5 = zero
            for t in range(T):
                o = offsets[t]
                w = splat(weights[g, t])
                s0, s1 = mul_add(w, load(source, a0 + o), s0), mul_add(w, load(source, a1 + o), s1)
                s2, s3 = mul_add(w, load(source, a2 + o), s2), mul_add(w, load(source, a3 + o), s3)
                s4, s5 = mul_add(w, load(source, a4 + o), s4), mul_add(w, load(source, a5 + o), s5)
            place = g * sums.shape[1] * sums.shape[2] + at + r * lanes
            for register, lane_sums in enumerate((s0, s1, s2, s3, s4, s5)):
                store(target, place + register * lanes, lane_sums)


@njit_cached()
def pack_alone(
    images: Array, first: int, count: int, rows: Cells, columns: Cells, cells: Array, layout: Layout
) -> None:
    """`pack`, as a kernel."""
    pack(images, first, count, rows, columns, cells, layout)


@njit_cached()
def pack_interleaved_alone(images: Array, first: int, count: int, places: Array, phases: int, cells: Array) -> None:
    """`pack_interleaved`, as a kernel."""
    pack_interleaved(images, first, count, places, phases, cells)


@njit_cached()
def dot_of_taps(cells: Array, offsets: Array, results: Array, gw: Array, starts: Array, at_once: int) -> None:
    """gw[g, k, t] += sum over r of results[g, k, r] * cells[g].flat[starts[r] + offsets[t]], r counting registers.

    cells (groups, planes, places), offsets (T,), results (groups, K, at least R registers), starts (R,), gw (groups,
    K, T); K, T and `at_once` are multiples of 4. Threads share the groups.
    """
    share(_dot_part, results.shape[0], 1, (cells, offsets, results, gw, starts, at_once))


@njit_inner()
def _dot_part(
    begin: int, stop: int, cells: Array, offsets: Array, results: Array, gw: Array, starts: Array, at_once: int
) -> None:
    groups, K, width = results.shape
    T = len(offsets)
    x, y = cells.reshape(-1), results.reshape(-1)
    lanes = lane_count(x)
    zero = splat(results.dtype.type(0))
    for g in range(begin, stop):
        base = g * cells.shape[1] * cells.shape[2]
        for first in range(0, T, at_once):
            for k in range(0, K, 4):
                y0 = (g * K + k) * width
                y1, y2, y3 = y0 + width, y0 + 2 * width, y0 + 3 * width
                for t in range(first, min(first + at_once, T), 4):
                    a0, a1 = base + offsets[t], base + offsets[t + 1]
                    a2, a3 = base + offsets[t + 2], base + offsets[t + 3]
                    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = zero
                    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = zero
                    for r in range(len(starts)):
                        p, q = starts[r], r * lanes
                        x0, x1, x2, x3 = load(x, a0 + p), load(x, a1 + p), load(x, a2 + p), load(x, a3 + p)
                        yk = load(y, y0 + q)
                        s00, s01 = mul_add(yk, x0, s00), mul_add(yk, x1, s01)
                        s02, s03 = mul_add(yk, x2, s02), mul_add(yk, x3, s03)
                        yk = load(y, y1 + q)
                        s10, s11 = mul_add(yk, x0, s10), mul_add(yk, x1, s11)
                        s12, s13 = mul_add(yk, x2, s12), mul_add(yk, x3, s13)
                        yk = load(y, y2 + q)
                        s20, s21 = mul_add(yk, x0, s20), mul_add(yk, x1, s21)
                        s22, s23 = mul_add(yk, x2, s22), mul_add(yk, x3, s23)
                        yk = load(y, y3 + q)
                        s30, s31 = mul_add(yk, x0, s30), mul_add(yk, x1, s31)
                        s32, s33 = mul_add(yk, x2, s32), mul_add(yk, x3, s33)
                    row0, row1 = (s00, s01, s02, s03), (s10, s11, s12, s13)
                    row2, row3 = (s20, s21, s22, s23), (s30, s31, s32, s33)
                    for i, row in enumerate((row0, row1, row2, row3)):
                        for j, lane_sums in enumerate(row):
                            gw[g, k + i, t + j] += total(lane_sums)
