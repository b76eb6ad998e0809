"""Depthwise convolutions, as many groups as channels: each channel has a kernel of its own, and no other meets it.

Images lie channels last, and a register holds neighbouring channels of a pixel. A weight, a register of it, meets some
pixels of the frame at a time, whose sums stay in registers; in the gradient in w the results of a pixel meet the cells
of some weights. What frames and parts are: ``channels_last.py``.

Imports: NumPy, Numba, ``channels_last.py``, ``circle.py``, ``dots.py``, ``frame.py``, ``jit.py``, ``lanes.py``,
``layout.py``, ``threads.py``, ``tile.py``, ``window.py``, ``window_groups.py``, ``window_sums.py``. Read next:
``dots.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="var-annotated, call-arg"

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.channels_last import end_of_zero
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.dots import GROUP_BYTES, add_products
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import REGISTER_BYTES, first_aligned, lane_count
from minigen_kernels.cpu.layout import as_channels_last
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import add_to, rows_at, rows_from, write, zeros
from minigen_kernels.cpu.window import Part, flattened, packing, phases, pixels, windows
from minigen_kernels.cpu.window_groups import MOST_LANES, PIECES, Packing, pack
from minigen_kernels.cpu.window_sums import LEAKY_RELU, PLAIN, RELU, biased, moved, rectified

#: Sums that stay in registers: of pixels; of weights.
PIXELS, WEIGHTS = 8, 9
#: Pixels that meet all weights before the next ones: they fit the first-level cache.
CHUNK = 128


class Plan(NamedTuple):
    """All that depends on shapes only; `order`: which weight of the kernel stands where, part after part."""

    covered: bool
    packing: Packing
    counts: tuple[int, int, int, int, int]
    parts: Array
    offsets: Array
    places: Array
    targets: Array
    order: Array


@lru_cache(maxsize=256)
def plan(shape: tuple[int, ...], transposed: bool, geometry: Geometry, itemsize: int) -> Plan:
    """The plan for images (N, C, H, W) of that shape."""
    N, C = shape[:2]
    out_hw = geometry.hw if transposed else geometry.out_hw
    rows, columns = phases(geometry) if transposed else windows(geometry)
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    samples = max(1, min(N, GROUP_BYTES // (sample * itemsize), -(-N // PIECES)))
    parts: list[tuple[int, ...]] = []
    offsets: list[int] = []
    order: list[int] = []
    places, targets = [np.zeros(0, int)], [np.zeros(0, int)]
    for (*row, row_taps), (*column, column_taps) in product(rows.results, columns.results):
        if not row[2] or not column[2]:
            continue
        before, begins = len(offsets), []
        for (u, i), (v, j) in product(row_taps, column_taps):
            offsets.append(i * row_pitch + j * C)
            order.append(u * geometry.kernel_hw[1] + v)
        for count in (samples, (N - 1) % samples + 1):
            begins.append(sum(map(len, places)))
            part = Part((0,) * 6, 0, tuple(row), tuple(column))
            for found, new in zip((places, targets), pixels(part, sample, row_pitch, C, out_hw, C, count)):
                found.append(new)
        parts.append((before, len(offsets) - before, row[2] * column[2], *begins))
    return Plan(
        sum(part[2] for part in parts) == out_hw[0] * out_hw[1],
        packing(rows, columns, shape, True, sample),
        (N, C, samples, samples * sample + MOST_LANES, out_hw[0] * out_hw[1] * C),
        np.array(parts, int).reshape(-1, 5),
        np.array(offsets, int),
        np.concatenate(places),
        np.concatenate(targets),
        np.array(order, int),
    )


def correlate(
    x: Array, w: Array, transposed: bool, geometry: Geometry,
    b: Array | None = None, end: int = PLAIN, slope: float = 0.0,
) -> Array:  # fmt: skip
    """The sums that both convolutions are: x (N, C, ., .), w (C, 1, kh, kw) -> (N, C, ., .), channels last."""
    x = as_channels_last(x)
    p = plan(x.shape, transposed, geometry, x.itemsize)
    y = np.empty((len(x), *(geometry.hw if transposed else geometry.out_hw), len(w)), x.dtype)
    if not p.covered:
        y[...] = end_of_zero(b, end, slope)
    weights = np.ascontiguousarray(w.reshape(len(w), -1).T)[p.order]
    bias = weights.reshape(-1) if b is None else np.ascontiguousarray(b)
    sum_channels(
        flattened(x, True), p.packing, p.counts, p.parts, p.offsets, p.places, p.targets, weights.reshape(-1), bias,
        y.reshape(-1), end, slope,
    )  # fmt: skip
    return y.transpose(0, 3, 1, 2)


def weight_grad(x: Array, g: Array, geometry: Geometry) -> Array:
    """The gradient in w: x (N, C, H, W), g (N, C, oh, ow) -> (C, 1, kh, kw)."""
    x, g = as_channels_last(x), as_channels_last(g)
    p, C, lanes = plan(x.shape, False, geometry, x.itemsize), x.shape[1], REGISTER_BYTES // x.itemsize
    offsets = filled_up(p.offsets, WEIGHTS)
    sums = np.empty((len(offsets), -(-C // lanes) * lanes), x.dtype)
    weight_channels(flattened(x, True), p.packing, p.counts, offsets, p.places, flattened(g, True), sums.reshape(-1))
    whole = C - C % lanes  # the last register overlaps the one before
    gw = np.concatenate([sums[:, :whole], sums[:, sums.shape[1] - C % lanes :]], axis=1)[: len(p.offsets)]
    return np.ascontiguousarray(gw.T).reshape(C, 1, *geometry.kernel_hw)


@njit_cached()
def sum_channels(
    images: Array, packing: Packing, counts: tuple[int, int, int, int, int], parts: Array, offsets: Array,
    places: Array, targets: Array, weights: Array, bias: Array, y: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """The sums of all samples; all arrays but `parts` are flat.

    counts: samples, channels, samples of a group, numbers of a frame, numbers of a sample of y. parts (parts, 5): first
    offset, how many, pixels of a sample, where its places begin for a full group and for the last one. weights
    (offsets, C).
    """
    groups = -(-counts[0] // counts[2])
    args = (images, packing, counts, parts, offsets, places, targets, weights, bias, y, end, slope)
    share(_sum_part, groups, -(-groups // PIECES), args)


@njit_inner()
def _sum_part(
    begin: int, stop: int, images: Array, packing: Packing, counts: tuple[int, int, int, int, int], parts: Array,
    offsets: Array, places: Array, targets: Array, weights: Array, bias: Array, y: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """Groups begin, ..., stop - 1."""
    N, C, samples, frame_size, y_size = counts
    room = np.zeros(frame_size + MOST_LANES, images.dtype)
    frame = room[first_aligned(room) :]
    lanes = lane_count(frame)
    for first in range(begin * samples, min(stop * samples, N), samples):
        count = min(samples, N - first)
        pack(images, first, count, packing, places, frame)
        for i in range(len(parts)):
            before, spot = parts[i, 0], parts[i, 3 if count == samples else 4]
            for p in range(0, count * parts[i, 2], PIXELS):
                cells, results = rows_from(places, spot + p, PIXELS), rows_from(targets, spot + p, PIXELS)
                for k in range(0, C, lanes):
                    c = min(k, C - lanes)
                    sums = zeros(frame, PIXELS, 1)
                    for t in range(before, before + parts[i, 1]):
                        sums = add_products(sums, frame, moved(cells, offsets[t] + c), weights, t * C + c)
                    if end != PLAIN:
                        sums = biased(sums, cells, bias, c)
                    if end == LEAKY_RELU:
                        sums = rectified(sums, y.dtype.type(slope))
                    elif end == RELU:
                        sums = rectified(sums, None)
                    write(y, moved(results, first * y_size + c), sums, count * parts[i, 2] - p, lanes)


@njit_cached()
def weight_channels(
    images: Array, packing: Packing, counts: tuple[int, int, int, int, int], offsets: Array, places: Array, g: Array,
    gw: Array,
) -> None:  # fmt: skip
    """The gradient in w: gw (offsets, C in whole registers), a multiple of WEIGHTS; g (N, pixels, C). All are flat."""
    groups = -(-counts[0] // counts[2])
    some = -(-groups // PIECES)
    pieces = -(-groups // some)
    sums = np.zeros(pieces * len(gw), images.dtype)
    share(_weight_part, groups, some, (images, packing, counts, some, offsets, places, g, sums, len(gw)))
    for i in range(len(gw)):
        gw[i] = sums[i]
    for piece in range(1, pieces):
        for i in range(len(gw)):
            gw[i] += sums[piece * len(gw) + i]


@njit_inner()
def _weight_part(
    begin: int, stop: int, images: Array, packing: Packing, counts: tuple[int, int, int, int, int], some: int,
    offsets: Array, places: Array, g: Array, sums: Array, size: int,
) -> None:  # fmt: skip
    """Groups begin, ..., stop - 1: a piece, which has sums of its own."""
    N, C, samples, frame_size, g_size = counts
    room = np.zeros(frame_size + MOST_LANES, images.dtype)
    frame = room[first_aligned(room) :]
    mine, lanes = sums[begin // some * size :], lane_count(frame)
    across = -(-C // lanes) * lanes
    for first in range(begin * samples, min(stop * samples, N), samples):
        count = min(samples, N - first)
        pack(images, first, count, packing, places, frame)
        many = count * g_size // C
        for top in range(0, many, CHUNK):
            for t in range(0, len(offsets), WEIGHTS):
                cells = rows_from(offsets, t, WEIGHTS)
                for k in range(0, C, lanes):
                    c = min(k, C - lanes)
                    part = zeros(frame, WEIGHTS, 1)
                    for p in range(top, min(top + CHUNK, many)):
                        part = add_products(part, frame, moved(cells, places[p] + c), g, first * g_size + p * C + c)
                    add_to(mine, rows_at(t * across + k, across, WEIGHTS), part, WEIGHTS, lanes)
