"""Convolution and its two adjoints for many channels, as products of matrices whose rows overlap.

The zero-padded images of a few samples, a *frame*, lie in memory as (n, h, w, c). Then a row of a kernel's window is one
run of kw * C numbers, and the window of a pixel is a few runs at the same distances for every pixel. So a convolution is
a product: row p of the first matrix is the window of pixel p, read where it lies; the second are the weights, copied
once per call to *panels* (panel, u, v, c, lane), a few registers of result channels side by side. ``tile.py`` computes a
block of it in registers: some pixels times the channels of a panel.

The gradient in x is the same for each phase of its result (``frame.spread_axis``). The gradient in w is a product, too:
a row is what one weight meets in all samples, read from the frame; the second matrix is g, copied to panels.

Images may come in both layouts; a result is channels last (``layout.py``). What fits the second-level cache is worked
through at a time: groups of samples. Groups and the order of all sums depend only on the shapes.

Imports: NumPy, ``frame.py``, ``layout.py``, ``panels.py``. Specification: ``../reference/conv.py``. Read next:
``panels.py``.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu import panels
from minigen_kernels.cpu.frame import filled_up, spread_axis
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import as_channels_last, is_channels_last
from minigen_kernels.cpu.panels import REGISTERS, ROWS

#: What the frame of a group of samples may take: half of the second-level cache, which weights and results share.
GROUP_BYTES = 1 << 18
#: Terms that `panels.weight_sums` adds at a time: a cache line of the frame for each, and a panel of results.
CHUNK = 256
DIRECT_BYTES = 128


class Side(NamedTuple):
    """A convolution along one axis.

    The frame has `length` places; cells `start`, ..., `start + size - 1` of the image stand from place `lead` on.
    results: for every phase (first result, step, count, step in the frame, offsets of the kernel with their places).
    """

    length: int
    lead: int
    start: int
    size: int
    results: tuple[tuple[int, int, int, int, tuple[tuple[int, int], ...]], ...]


@lru_cache(maxsize=1024)
def window_side(size: int, out: int, k: int, stride: int, padding: int, dilation: int) -> Side:
    """The axis of `conv2d`: each of `out` results looks through its window at `size` cells."""
    length = (out - 1) * stride + (k - 1) * dilation + 1
    taps = tuple((u, u * dilation) for u in range(k))
    lead = min(padding, length)
    return Side(length, lead, 0, min(size, length - lead), ((0, 1, out, stride, taps),))


@lru_cache(maxsize=1024)
def spread_side(out: int, size: int, k: int, stride: int, padding: int, dilation: int) -> Side:
    """The axis of `conv_transpose2d`: the `out` cells of g spread over `size` cells of the image."""
    axis = spread_axis(out, size, k, stride, padding, dilation)
    (line,) = axis.phases
    results = tuple(
        (row.start, row.step, row.size, 1, tuple(sorted(((tap.u, tap.shift) for tap in taps), key=lambda tap: tap[1])))
        for row, taps in axis.results
    )
    return Side(axis.length, line.lead, line.start, line.size, results)


class Part(NamedTuple):
    """Results that sum the same taps.

    offset: from a pixel's place to its first term; levels: the terms (``panels.sum_panels``); at: where the weights
    begin, in terms; row, column: (first result, step, count, step in the frame).
    """

    offset: int
    levels: tuple[int, int, int, int, int]
    at: int
    row: tuple[int, int, int, int]
    column: tuple[int, int, int, int]


class Plan(NamedTuple):
    """All that depends on shapes only.

    samples: of a group; frame_hw, pitch: the numbers of a frame's pixel; sample: of its samples; places: of the cells
    of an image; parts; weights: the place of each weight of a row in a panel; covered: whether each result has a part.
    """

    rows: Side
    columns: Side
    channels: int
    pitch: int
    sample: int
    samples: int
    parts: tuple[Part, ...]
    order: Array  # (kh, kw): number of the tap in a panel
    covered: bool


@lru_cache(maxsize=256)
def plan(rows: Side, columns: Side, C: int, groups: int, out_hw: tuple[int, int], itemsize: int, whole: bool) -> Plan:
    """For images of C channels; `whole`: the frame is the image itself."""
    Cg = C // groups
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    parts, at, taps = [], 0, {}
    for (*row, row_taps), (*column, column_taps) in product(rows.results, columns.results):
        (u0, i0), (v0, j0) = row_taps[0], column_taps[0]
        down = row_taps[1][1] - i0 if len(row_taps) > 1 else 1
        across = column_taps[1][1] - j0 if len(column_taps) > 1 else 1
        if groups == 1 and across == 1:
            levels = (1, 0, len(row_taps), down * row_pitch, len(column_taps) * C)
        else:
            levels = (len(row_taps), down * row_pitch, len(column_taps), across * C, Cg)
        for (u, _), (v, _) in product(row_taps, column_taps):
            taps[u, v] = len(taps)
        if row[2] and column[2]:
            parts.append(Part(i0 * row_pitch + j0 * C, levels, at * Cg, tuple(row), tuple(column)))
        at += len(row_taps) * len(column_taps)
    kh, kw = (1 + max(u for result in side.results for u, _ in result[4]) for side in (rows, columns))
    order = np.array([[taps[u, v] for v in range(kw)] for u in range(kh)])
    covered = sum(p.row[2] * p.column[2] for p in parts) == out_hw[0] * out_hw[1]
    samples = max(1, GROUP_BYTES // (sample * itemsize))
    return Plan(rows, columns, C, C, sample, samples, tuple(parts), order, covered)


@lru_cache(maxsize=256)
def pixels(part: Part, sample: int, row_pitch: int, C: int, out_hw: tuple[int, int], K: int, count: int) -> tuple[Array, Array]:
    """The places of the results of `count` samples in the frame, a multiple of ROWS, and in the result."""
    (top, down, height, row_step), (left, across, width, step) = part.row, part.column
    n, i, j = np.arange(count)[:, None, None], np.arange(height)[:, None], np.arange(width)
    places = n * sample + i * row_step * row_pitch + j * step * C
    targets = (n * out_hw[0] * out_hw[1] + (top + i * down) * out_hw[1] + left + j * across) * K
    return filled_up(places.ravel(), ROWS), filled_up(targets.ravel(), ROWS)


@lru_cache(maxsize=256)
def cell_places(rows: Side, columns: Side, hw: tuple[int, int], pitch: int, row_pitch: int, lanes: int) -> Array:
    """The place in a frame of each cell of an image, whole registers of them; -1 for none."""
    places = np.full((hw[0], hw[1]), -1)
    i, j = np.arange(rows.size)[:, None], np.arange(columns.size)
    places[rows.start + i, columns.start + j] = (rows.lead + i) * row_pitch + (columns.lead + j) * pitch
    return np.concatenate([places.ravel(), np.full(-places.size % lanes, -1)])


def correlate(
    x: Array, w: Array, transposed: bool, out_hw: tuple[int, int], rows: Side, columns: Side, groups: int,
    b: Array | None = None, end: int = panels.PLAIN, slope: float = 0.0,
) -> Array:  # fmt: skip
    """The sums that both convolutions are: x (N, C, ., .) -> (N, K, *out_hw), channels last.

    w (K, C/groups, kh, kw), or if `transposed` (C, K/groups, kh, kw).
    """
    N, C, H, W = x.shape
    Kg = w.shape[1] if transposed else len(w) // groups
    K, Cg, lanes = Kg * groups, C // groups, REGISTER_BYTES // x.itemsize
    width = REGISTERS * lanes
    last = is_channels_last(x)
    p = plan(rows, columns, C, groups, out_hw, x.itemsize, False)
    y = (np.empty if p.covered else np.zeros)((N, *out_hw, K), x.dtype)
    taps = p.order.size
    pitch = taps * Cg * width
    count_panels = -(-Kg // width)
    packed = np.empty(groups * count_panels * pitch, x.dtype)
    w = np.ascontiguousarray(w).reshape(-1)
    weight_places = _weight_places(rows, columns, Cg, transposed, width, lanes, p)
    for g in range(groups):
        here = packed[g * count_panels * pitch :]
        if transposed:
            outer = (Cg, Kg * taps, width)
            panels.pack_weights(w, g * Cg * Kg * taps, outer, Kg, taps, weight_places, here, pitch)
        else:
            panels.pack_weights(w, g * Kg * Cg * taps, (1, 0, 0), Kg, Cg * taps, weight_places, here, pitch)
    bias = packed[:0]
    if b is not None:
        bias = np.zeros(K + width, x.dtype)
        bias[:K] = b
    samples = min(p.samples, N)
    row_pitch = columns.length * C
    in_place = last and not rows.lead and not columns.lead and rows.length <= H and columns.length <= W
    flat = x.transpose(0, 2, 3, 1).reshape(-1) if last else np.ascontiguousarray(x).reshape(-1)
    frame = np.zeros(samples * p.sample + width, x.dtype)
    out = y.reshape(-1)
    for first in range(0, N, samples):
        count = min(samples, N - first)
        pack(flat, last, (N, C, H, W), first, count, rows, columns, frame, p.sample, row_pitch, C)
        for part in p.parts:
            places, targets = pixels(part, p.sample, row_pitch, C, out_hw, K, count)
            for g in range(groups):
                panels.sum_panels(
                    frame, places, part.offset + g * Cg, part.levels, packed[g * count_panels * pitch :],
                    part.at * width, pitch, out, first * out_hw[0] * out_hw[1] * K + g * Kg, targets, Kg,
                    count * part.row[2] * part.column[2], bias[g * Kg :], end, slope,
                )  # fmt: skip
    return y.transpose(0, 3, 1, 2)


def pack(
    flat: Array, last: bool, shape: tuple[int, ...], first: int, count: int, rows: Side, columns: Side,
    frame: Array, sample: int, row_pitch: int, pitch: int,
) -> None:  # fmt: skip
    """Copy some samples of images (N, C, H, W), flat, whose channels are last or first, to a frame that is zero."""
    _, C, H, W = shape
    if not rows.size or not columns.size:
        return
    if last:
        start = ((first * H + rows.start) * W + columns.start) * C
        lead = rows.lead * row_pitch + columns.lead * pitch
        panels.pack_pixels(
            flat, start, count, (H * W * C, W * C, C), (rows.size, columns.size, C), frame, lead, (sample, row_pitch, pitch)
        )
    else:
        places = cell_places(rows, columns, (H, W), pitch, row_pitch, REGISTER_BYTES // frame.itemsize)
        panels.pack_planes(flat, first * C * H * W, count, C, C * H * W, H * W, places, frame, sample)


def _weight_places(rows: Side, columns: Side, Cg: int, transposed: bool, width: int, lanes: int, p: Plan) -> Array:
    return weight_places(p.order.shape, p.order.tobytes(), Cg, transposed, width, lanes)


@lru_cache(maxsize=256)
def weight_places(
    kernel_hw: tuple[int, int], order_bytes: bytes, Cg: int, transposed: bool, width: int, lanes: int
) -> Array:
    """Where each number of a row of weights stands in a panel, in whole registers; -1 for none."""
    order = np.frombuffer(order_bytes, np.intp).reshape(-1)
    places = (order * Cg if transposed else order * Cg + np.arange(Cg)[:, None]).ravel() * width
    return np.concatenate([places, np.full(-places.size % lanes, -1)])


def weight_grad(x: Array, g: Array, kernel_hw: tuple[int, int], rows: Side, columns: Side, groups: int) -> Array:
    """The gradient in w: x (N, C, H, W), g (N, K, oh, ow) -> (K, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    K, oh, ow = g.shape[1:]
    p = weight_plan(rows, columns, C, K, groups, x.itemsize)
    sums = np.zeros(groups * p.size, x.dtype)
    last = is_channels_last(x)
    flat_x = x.transpose(0, 2, 3, 1).reshape(-1) if last else np.ascontiguousarray(x).reshape(-1)
    flat_g = as_channels_last(g).transpose(0, 2, 3, 1).reshape(-1)
    samples = min(N, p.samples)
    frame = np.zeros(samples * p.sample + p.width, x.dtype)
    packed = np.empty(0 if p.direct else -(-p.Kg // p.high) * p.high * samples * oh * ow, x.dtype)
    for first in range(0, N, samples):
        count = min(samples, N - first)
        pack(flat_x, last, (N, C, H, W), first, count, rows, columns, frame, p.sample, columns.length * C, C)
        places = pixels(p.part, p.sample, columns.length * C, C, (oh, ow), K, count)[0]
        for group in range(groups):
            start = first * oh * ow * K + group * p.Kg
            if p.direct:
                g_steps, results = (p.high, K), flat_g[start:]
            else:
                panels.pack_blocks(flat_g, start, K, count * oh * ow, p.Kg, packed, p.high)
                g_steps, results = (count * oh * ow * p.high, p.high), packed
            p.add_up(
                frame[group * (C // groups) :], places, p.blocks, results, g_steps, count * oh * ow, CHUNK, p.Kg,
                sums[group * p.size :],
            )  # fmt: skip
    gw = np.empty((K, C // groups, *kernel_hw), x.dtype)
    for group in range(groups):
        panels.unpack_weights(sums[group * p.size :], p.Kg, p.order, p.width, gw.reshape(-1), group * p.Kg * p.T)
    return gw


class WeightPlan(NamedTuple):
    """All that depends on shapes only."""

    Kg: int
    T: int
    width: int
    high: int  # rows of a block
    add_up: Any
    sample: int
    samples: int
    direct: bool
    part: Part
    blocks: Array
    order: Array
    size: int


@lru_cache(maxsize=256)
def weight_plan(rows: Side, columns: Side, C: int, K: int, groups: int, itemsize: int) -> WeightPlan:
    """How the gradient in w is computed."""
    Cg, Kg, lanes = C // groups, K // groups, REGISTER_BYTES // itemsize
    ((*row, row_taps),), ((*column, column_taps),) = rows.results, columns.results
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    T = len(row_taps) * len(column_taps) * Cg
    # Runs of weights that are neighbours in the frame.
    merged = groups == 1 and (len(column_taps) == 1 or column_taps[1][1] == 1)
    run = len(column_taps) * C if merged else Cg
    starts = [i * row_pitch + j * C for _, i in row_taps for _, j in (column_taps[:1] if merged else column_taps)]
    choices = []
    for R, V, add_up in (
        (panels.HIGH_ROWS, panels.HIGH_REGISTERS, panels.weight_sums_high),
        (panels.WIDE_ROWS, panels.WIDE_REGISTERS, panels.weight_sums_wide),
    ):
        choices.append((-(-Kg // R) * R * (-(-run // (V * lanes)) * V * lanes), R, V, add_up))
    _, R, V, add_up = min(choices, key=lambda choice: choice[0])
    width, high = V * lanes, -(-Kg // R) * R
    blocks = np.array([start + b for start in starts for b in range(0, run, width)])
    r, within = np.divmod(np.arange(T), run)
    order = (r * -(-run // width) + within // width) * high * width + within % width
    samples = max(1, GROUP_BYTES // ((sample + row[2] * column[2] * K) * itemsize), CHUNK // (row[2] * column[2]))
    part = Part(0, (0, 0, 0, 0, 0), 0, tuple(row), tuple(column))
    return WeightPlan(
        Kg, T, width, R, add_up, sample, samples, Kg % R == 0 and K * itemsize <= DIRECT_BYTES, part,
        blocks, order.reshape(T // Cg, Cg).T.ravel(), len(blocks) * high * width,
    )  # fmt: skip
