"""Convolution and its adjoint in x for few channels of the result: dot products of windows with weights.

What a frame is, and a window in it: ``channels_last.py``. With many channels of the result they fill the lanes of
registers; with few, here, lanes are terms of the sums:

    y[p, k] = sum over the lanes of sum over m of frame[place[p] + offset[m] + lane] * weights[k, m, lane].

A row of a window is one run of numbers, or one for each tap; a run that is no multiple of a register ends in one that
overlaps the one before, with zeros for the weights that have been met. The sums of as many pixels as a register has
lanes are added up over their lanes together, while they are transposed (`totals`). Results are channels first.

Imports: NumPy, Numba and llvmlite, ``circle.py``, ``jit.py``, ``lanes.py``, ``layout.py``,
``threads.py``, ``tile.py``, ``window.py``, ``window_groups.py``, ``window_sums.py``. Read next:
``channels_last.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped, var-annotated, call-arg"

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels import Array
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import (
    REGISTER_BYTES,
    first_aligned,
    intrinsic,
    lane_count,
    number_address,
    shuffle,
    vector_address,
)
from minigen_kernels.cpu.layout import is_channels_last
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import rows_from, zeros
from minigen_kernels.cpu.window import Part, cell_places, flattened, frame_sides, packing, pixels
from minigen_kernels.cpu.window_groups import MOST_LANES, PIECES, Packing, pack
from minigen_kernels.cpu.window_sums import moved

#: Pixels whose sums are kept in registers at a time: a half of AVX-512's, whose places fit the other registers.
ROWS = 8
#: What the frame of a group of samples may take: it should be in the first-level cache.
GROUP_BYTES = 1 << 15


#: Registers of products in whose time the sums of a channel are added up and written, and in frames a number is copied.
ENDING, COPYING = 5, 2
#: How much longer a register of products takes where the channels of pixels do not begin with one; than in windows.
APART, WINDOWS = 1.7, 1.5


@lru_cache(maxsize=1024)
def fitting(C: int, K: int, geometry: Geometry, itemsize: int, transposed: bool, in_frames: bool) -> bool:
    """Whether this is expected to be faster than frames or windows, for C channels given and K computed."""
    lanes = REGISTER_BYTES // itemsize
    if C < lanes or lanes < ROWS:
        return False
    axes = geometry.spread() if transposed else geometry.window()
    cells, pixels = (geometry.out_hw, geometry.hw) if transposed else (geometry.hw, geometry.out_hw)
    terms = C * math.prod(sum(line.size * len(met) for line, met in axis.results) for axis in axes)
    cost = K * (terms / lanes + ENDING * math.prod(pixels)) * (APART if C % lanes else 1)
    if in_frames:
        rows = K if K == 1 else -(-K // 4) * 4
        return cost < rows * terms / lanes + COPYING * C * math.prod(cells)
    return WINDOWS * cost < -(-K // lanes) * terms


@intrinsic
def add_products(typing_context: Any, sums: Any, a: Any, rows: Any, b: Any, at: Any) -> Any:
    """``add_products(sums, a, rows, b, at)``: sums[r] + a[rows[r] + lane] * b[at + lane] for all rows r."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        align, found = a.dtype.bitwidth // 8, []
        factor = builder.load(vector_address(context, builder, b, args[3], args[4]))
        factor.align = align
        for total, row in zip(cgutils.unpack_tuple(builder, args[0]), cgutils.unpack_tuple(builder, args[2])):
            cells = builder.load(vector_address(context, builder, a, args[1], row))
            cells.align = align
            found.append(builder.fadd(builder.fmul(cells, factor, flags=("contract",)), total, flags=("contract",)))
        return context.make_tuple(builder, sums, found)

    return sums(sums, a, rows, b, types.intp), generate


@intrinsic
def totals(typing_context: Any, low: Any, high: Any) -> Any:
    """``totals(low, high)``: in lane r the sum over the lanes of register r of both tuples, n registers together.

    As in a transpose (``squares.turned``), but each pair of registers becomes one, their sum.
    """
    lanes = low.dtype

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [row for some in args for row in cgutils.unpack_tuple(builder, some)][: lanes.count]
        step = 1
        while len(rows) > 1:
            first = [lane + lanes.count - step if lane & step else lane for lane in range(lanes.count)]
            second = [lane + lanes.count if lane & step else lane + step for lane in range(lanes.count)]
            rows = [
                builder.fadd(shuffle(builder, a, b, first), shuffle(builder, a, b, second))
                for a, b in zip(rows[::2], rows[1::2])
            ]
            step *= 2
        return rows[0]

    return lanes(low, high), generate


@intrinsic
def store_apart(typing_context: Any, array: Any, first: Any, places: Any, p: Any, count: Any, lanes: Any) -> Any:
    """``store_apart(array, first, places, p, count, lanes)``: array[first + places[p + lane]] = it, lane < count."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_value, first, places_value, p, count, value = args
        start = number_address(context, builder, array, array_value, first)

        def write(lane: Any) -> None:
            place = builder.load(number_address(context, builder, places, places_value, builder.add(p, lane)))
            builder.store(builder.extract_element(value, lane), builder.gep(start, [place]))

        whole = builder.icmp_signed(">=", count, ir.Constant(count.type, lanes.count))
        with builder.if_else(whole) as (all_of_them, some):
            with all_of_them:
                for lane in range(lanes.count):
                    write(ir.Constant(p.type, lane))
            with some, cgutils.for_range(builder, count) as loop:
                write(loop.index)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(array, intp, places, intp, intp, lanes), generate


class Plan(NamedTuple):
    """All of `correlate` that depends on shapes only: what `dot_groups` takes, and where each weight stands in w."""

    covered: bool
    whole: bool
    packing: Packing
    cells: Array
    counts: tuple[int, int, int, int, int]
    parts: Array
    offsets: Array
    places: Array
    targets: Array
    order: Array


@lru_cache(maxsize=256)
def plan(shape: tuple[int, ...], last: bool, K: int, transposed: bool, geometry: Geometry, itemsize: int) -> Plan:
    """The plan for images of that shape, whose channels are last or not; there are enough to fill a register."""
    N, C, H, W = shape
    lanes = REGISTER_BYTES // itemsize
    out_hw = geometry.hw if transposed else geometry.out_hw
    rows, columns, whole = frame_sides(geometry, transposed, (H, W), last)
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    samples = max(1, min(N, GROUP_BYTES // (sample * itemsize), -(-N // PIECES)))
    kh, kw = geometry.kernel_hw
    weight = np.arange(K * C * kh * kw).reshape((C, K, kh, kw) if transposed else (K, C, kh, kw))
    weight = (weight.transpose(1, 2, 3, 0) if transposed else weight.transpose(0, 2, 3, 1)).copy()  # (K, kh, kw, C)
    parts: list[tuple[int, ...]] = []
    offsets: list[int] = []
    order: list[Array] = []
    places, targets = [np.zeros(0, int)], [np.zeros(0, int)]
    for (*row, row_taps), (*column, column_taps) in product(rows.results, columns.results):
        if not row[2] or not column[2]:
            continue
        before, weights = len(offsets), []
        for (u, i), run in product(row_taps, _runs(column_taps)):
            numbers = np.concatenate([weight[:, u, v] for v, _ in run], axis=1)  # (K, length of the run)
            length = numbers.shape[1]
            for start in range(0, length, lanes):
                first = min(start, length - lanes)
                some = numbers[:, first : first + lanes].copy()
                some[:, : start - first] = -1
                offsets.append(i * row_pitch + run[0][1] * C + first)
                weights.append(some)
        begins = []
        for count in (samples, (N - 1) % samples + 1):
            begins.append(sum(map(len, places)))
            part = Part((0,) * 6, 0, tuple(row), tuple(column))
            for found, new in zip((places, targets), pixels(part, sample, row_pitch, C, out_hw, 1, count)):
                found.append(filled_up(new, lanes))
        parts.append((before, len(weights), sum(some.size for some in order), row[2] * column[2], *begins))
        order.append(np.stack(weights, axis=1))  # (K, registers, lanes)
    n, cell = np.divmod(np.concatenate(targets), out_hw[0] * out_hw[1])
    return Plan(
        sum(part[3] for part in parts) == out_hw[0] * out_hw[1],
        whole,
        packing(rows, columns, shape, last, sample),
        np.zeros(0, int) if last else cell_places(rows, columns, (H, W), C, lanes),
        (N, samples, samples * sample + MOST_LANES, K, out_hw[0] * out_hw[1]),
        np.array(parts, int).reshape(-1, 6),
        np.array(offsets, int),
        np.concatenate(places),
        n * K * out_hw[0] * out_hw[1] + cell,
        np.concatenate([np.zeros(0, int), *(some.ravel() for some in order)]),
    )


def _runs(taps: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Taps of a row of a kernel, (offset, place), whose places are neighbours: all together, or each alone."""
    if all(b[1] - a[1] == 1 for a, b in zip(taps, taps[1:])):
        return iter([taps])
    return iter([(tap,) for tap in taps])


def correlate(x: Array, w: Array, transposed: bool, geometry: Geometry) -> Array:
    """The sums that both convolutions are: x (N, C, ., .) -> (N, K, ., .).

    w (K, C, kh, kw), or if `transposed` (C, K, kh, kw).
    """
    K, out_hw = (w.shape[1], geometry.hw) if transposed else (len(w), geometry.out_hw)
    last = is_channels_last(x)
    p = plan(x.shape, last, K, transposed, geometry, x.itemsize)
    y: Array = (np.empty if p.covered else np.zeros)((len(x), K, *out_hw), x.dtype)
    weights = np.append(w, w.dtype.type(0))[p.order]
    dot_groups(
        flattened(x, last), p.whole, p.packing, p.cells, p.counts, p.parts, p.offsets, p.places, p.targets, weights,
        y.reshape(-1),
    )  # fmt: skip
    return y


@njit_cached()
def dot_groups(
    images: Array, whole: bool, packing: Packing, cells: Array, counts: tuple[int, int, int, int, int], parts: Array,
    offsets: Array, places: Array, targets: Array, weights: Array, y: Array,
) -> None:  # fmt: skip
    """The sums of all samples; all arrays but `parts` are flat.

    whole: the images are the frame. counts: samples, samples of a group, numbers of a frame, channels and cells of a
    result. parts (parts, 6): first offset, how many, where its weights begin, pixels of a sample, where its places
    begin for a full group and for the last one.
    """
    groups = -(-counts[0] // counts[1])
    args = (images, whole, packing, cells, counts, parts, offsets, places, targets, weights, y)
    share(_dot_part, groups, -(-groups // PIECES), args)


@njit_inner()
def _dot_part(
    begin: int, stop: int, images: Array, whole: bool, packing: Packing, cells: Array,
    counts: tuple[int, int, int, int, int], parts: Array, offsets: Array, places: Array, targets: Array,
    weights: Array, y: Array,
) -> None:  # fmt: skip
    """Groups begin, ..., stop - 1."""
    N, samples, frame_size, K, size = counts
    lanes = lane_count(images)
    room = np.zeros(0 if whole else frame_size + lanes, images.dtype)
    frame = room[first_aligned(room) :]
    for first in range(begin * samples, min(stop * samples, N), samples):
        count = min(samples, N - first)
        if not whole:
            pack(images, first, count, packing, cells, frame)
        seen = images[first * packing[1] :] if whole else frame  # under a name of its own: images may be read-only
        for i in range(len(parts)):
            here = offsets[parts[i, 0] : parts[i, 0] + parts[i, 1]]
            spot = parts[i, 4 if count == samples else 5]
            for k in range(K):
                at, result = parts[i, 2] + k * len(here) * lanes, (first * K + k) * size
                _dot(seen, places[spot:], here, weights, at, y, targets[spot:], result, count * parts[i, 3])


@njit_inner()
def _dot(
    frame: Array, places: Array, offsets: Array, weights: Array, at: int, y: Array, targets: Array, result: int,
    count: int,
) -> None:  # fmt: skip
    """One channel of `count` pixels p: y[result + targets[p]], with the weights from `at` on."""
    lanes = lane_count(frame)
    for p in range(0, count, lanes):
        low = _sums(frame, rows_from(places, p, ROWS), offsets, weights, at)
        high = low
        if lanes > ROWS:
            high = _sums(frame, rows_from(places, p + ROWS, ROWS), offsets, weights, at)
        store_apart(y, result, targets, p, count - p, totals(low, high))


@njit_inner(inline="always")
def _sums(frame: Array, rows: Any, offsets: Array, weights: Array, at: int) -> Any:
    sums = zeros(frame, ROWS, 1)
    for m in range(len(offsets)):
        sums = add_products(sums, frame, moved(rows, offsets[m]), weights, at + m * lane_count(frame))
    return sums
