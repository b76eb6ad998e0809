"""Convolution and its two adjoints for many channels, as products of matrices whose rows overlap.

The zero-padded images of a few samples, a *frame*, lie in memory as (n, h, w, c). Then a row of a kernel's window is
one run of kw * C numbers, and the window of a pixel is a few runs at the same distances for every pixel. So a
convolution is a product: row p of the first matrix is the window of pixel p, read where it lies; the second are the
weights, copied once per call to *panels* (panel, u, v, c, lane), a few registers of result channels side by side.
``tile.py`` computes a block of it in registers: some pixels times the channels of a panel.

The gradient in x is the same for each phase of its result (``frame.spread_axis``). The gradient in w is a product, too:
a row is what one weight meets in all samples, read from the frame; the second matrix is g, copied to panels.

Images may come in both layouts; a result is channels last (``layout.py``). What fits the second-level cache is worked
through at a time: groups of samples. Groups and the order of all sums depend only on the shapes.

Imports: NumPy, ``frame.py``, ``layout.py``, ``panels.py``, ``window.py``, ``window_sums.py``. Specification:
``../reference/conv.py``. Read next: ``window.py``.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu import panels, window_sums
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import as_channels_last, is_channels_last
from minigen_kernels.cpu.window import Part, Side, filled_with, flattened, pack, pixels

#: What the frame of a group of samples may take: half of the second-level cache, which weights and results share.
GROUP_BYTES = 1 << 18
#: No panel has more lanes: what whole registers may read or write beyond the last channel.
MOST_LANES = 64
#: Pixels that `window_sums._weight_sums` adds at a time: their cells, results and sums fit the first-level cache.
CHUNK = 128
#: Results with more bytes for a pixel are copied to blocks of channels: they would be read a cache line for each pixel.
DIRECT_BYTES = 128


class Panels(NamedTuple):
    """Channels `first`, ..., `first + size - 1` of the results of a group, in panels of one width.

    sum_up: the kernel; places: where the weights of a channel stand in a panel.
    """

    first: int
    size: int
    width: int
    sum_up: Any
    places: Array


class Plan(NamedTuple):
    """All that depends on shapes only.

    Kg, Cg: channels of a group of results and images; terms: of all parts; sample: the numbers of a sample in the
    frame, `samples` at a time; covered: whether each result has a part.
    """

    Kg: int
    Cg: int
    terms: int
    sample: int
    samples: int
    parts: tuple[Part, ...]
    panels: tuple[Panels, ...]
    covered: bool


@lru_cache(maxsize=256)
def plan(
    rows: Side, columns: Side, C: int, Kg: int, transposed: bool, groups: int, out_hw: tuple[int, int], itemsize: int
) -> Plan:
    """The plan of `correlate` for images of C channels and Kg results of a group."""
    Cg, lanes = C // groups, REGISTER_BYTES // itemsize
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    order: dict[tuple[int, int], int] = {}
    parts = []
    for (*row, row_taps), (*column, column_taps) in product(rows.results, columns.results):
        (_, i0), (_, j0) = row_taps[0], column_taps[0]
        down, across = (taps[1][1] - taps[0][1] if len(taps) > 1 else 1 for taps in (row_taps, column_taps))
        heading = (i0 * row_pitch + j0 * C,)
        if groups == 1 and across == 1:
            levels = (*heading, 1, 0, len(row_taps), down * row_pitch, len(column_taps) * C)
        else:
            levels = (*heading, len(row_taps), down * row_pitch, len(column_taps), across * C, Cg)
        if row[2] and column[2]:
            parts.append(Part(levels, len(order) * Cg, tuple(row), tuple(column)))
        for (u, _), (v, _) in product(row_taps, column_taps):
            order[u, v] = len(order)
    taps = np.array([order[uv] for uv in sorted(order)]) * Cg
    places = (taps if transposed else taps + np.arange(Cg)[:, None]).ravel()
    wide = window_sums.HIGH_REGISTERS * lanes
    many = Kg if 0 == Kg % wide or Kg % wide > lanes else Kg - Kg % wide
    widths = tuple(
        Panels(first, count, width, sum_up, filled_with(places * width, -1, lanes))
        for first, count, width, sum_up in (
            (0, many, wide, window_sums.sum_panels_wide),
            (many, Kg - many, lanes, window_sums.sum_panels_narrow),
        )
        if count
    )
    return Plan(
        Kg, Cg, len(order) * Cg, sample, max(1, GROUP_BYTES // (sample * itemsize)), tuple(parts), widths,
        sum(part.row[2] * part.column[2] for part in parts) == out_hw[0] * out_hw[1],
    )  # fmt: skip


def correlate(
    x: Array, w: Array, transposed: bool, out_hw: tuple[int, int], rows: Side, columns: Side, groups: int,
    b: Array | None = None, end: int = window_sums.PLAIN, slope: float = 0.0,
) -> Array:  # fmt: skip
    """The sums that both convolutions are: x (N, C, ., .) -> (N, K, *out_hw), channels last.

    w (K, C/groups, kh, kw), or if `transposed` (C, K/groups, kh, kw).
    """
    N, C, H, W = x.shape
    last = is_channels_last(x)
    whole = last and not rows.lead + columns.lead and rows.length <= H and columns.length <= W
    if whole:
        rows, columns = rows._replace(length=H), columns._replace(length=W)
    p = plan(rows, columns, C, w.shape[1] if transposed else len(w) // groups, transposed, groups, out_hw, x.itemsize)
    y = np.empty((N, *out_hw, groups * p.Kg), x.dtype)
    if not p.covered:
        y[...] = _end_of_zero(b, end, slope)
    weights = [(g, some, _packed(w, p, some, transposed, g)) for g in range(groups) for some in p.panels]
    bias = np.zeros(0 if b is None else groups * p.Kg + MOST_LANES, x.dtype)
    if b is not None:
        bias[: groups * p.Kg] = b
    samples, flat, out = min(p.samples, N), flattened(x, last), y.reshape(-1)
    frame = flat if whole else np.zeros(samples * p.sample + MOST_LANES, x.dtype)
    for first in range(0, N, samples):
        count = min(samples, N - first)
        if whole:
            frame = flat[first * p.sample :]
        else:
            pack(flat, last, x.shape, first, count, rows, columns, frame, p.sample)
        here = out[first * out_hw[0] * out_hw[1] * groups * p.Kg :]
        for part in p.parts:
            places, targets = pixels(part, p.sample, columns.length * C, C, out_hw, groups * p.Kg, count)
            pixel_count = count * part.row[2] * part.column[2]
            for g, some, packed in weights:
                k = g * p.Kg + some.first
                some.sum_up(
                    frame[g * p.Cg :], places, part.levels, packed, part.at * some.width, p.terms * some.width,
                    here[k:], targets, some.size, pixel_count, bias[k:], end, slope,
                )  # fmt: skip
    return y.transpose(0, 3, 1, 2)


def _end_of_zero(b: Array | None, end: int, slope: float) -> Any:
    """What a cell that no tap reaches becomes: the kernel of a transposed convolution can be smaller than its steps."""
    if b is None or end in (window_sums.PLAIN, window_sums.BIAS):
        return 0 if b is None else b
    return np.where(b < 0, b.dtype.type(slope) * b if end == window_sums.LEAKY_RELU else 0, b)


def _packed(w: Array, p: Plan, some: Panels, transposed: bool, group: int) -> Array:
    """The weights of some channels of a group in panels: (panels, terms, width), flat."""
    panel, taps = p.terms * some.width, p.terms // p.Cg
    packed = np.empty(-(-some.size // some.width) * panel, w.dtype)
    outer, columns = ((p.Cg, p.Kg * taps, some.width), taps) if transposed else ((1, 0, 0), p.terms)
    start = group * p.Kg * p.terms + some.first * columns
    w = np.ascontiguousarray(w).reshape(-1)
    panels.pack_weights(w, start, outer, some.size, columns, some.places, packed, panel, some.width)
    return packed


def weight_grad(x: Array, g: Array, kernel_hw: tuple[int, int], rows: Side, columns: Side, groups: int) -> Array:
    """The gradient in w: x (N, C, H, W), g (N, K, oh, ow) -> (K, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    K, oh, ow = g.shape[1:]
    p = weight_plan(rows, columns, C, K, groups, x.itemsize)
    sums = np.empty(groups * p.size, x.dtype)
    last = is_channels_last(x)
    flat_x = flattened(x, last)
    samples = min(N, p.samples)
    frame = np.zeros(samples * p.sample + p.width, x.dtype)
    packed = np.empty(0 if p.direct else -(-p.Kg // p.high) * p.high * samples * oh * ow, x.dtype)
    for first in range(0, N, samples):
        count = min(samples, N - first)
        pack(flat_x, last, (N, C, H, W), first, count, rows, columns, frame, p.sample)
        places = pixels(p.part, p.sample, columns.length * C, C, (oh, ow), K, count)[0]
        flat_g = flattened(as_channels_last(g[first : first + count]), True)
        for group in range(groups):
            start = group * p.Kg
            if p.direct:
                g_steps, results = (p.high, K), flat_g[start:]
            else:
                panels.pack_blocks(flat_g, start, K, count * oh * ow, p.Kg, packed, p.high)
                g_steps, results = (count * oh * ow * p.high, p.high), packed
            p.add_up(
                frame[group * (C // groups) :], places, p.sources, p.lane, results, g_steps, count * oh * ow,
                CHUNK, p.Kg, sums[group * p.size :], first > 0,
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
    sources: Array
    lane: Array
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
        (window_sums.HIGH_ROWS, window_sums.HIGH_REGISTERS, window_sums.weight_sums_high),
        (window_sums.WIDE_ROWS, window_sums.WIDE_REGISTERS, window_sums.weight_sums_wide),
    ):
        # Several short runs side by side in a block of sums, or a long run in several blocks.
        together, cut = max(1, V * lanes // run), -(-run // (V * lanes))
        choices.append((-(-Kg // R) * R * -(-len(starts) // together) * cut * V, together, cut, R, V, add_up))
    _, together, cut, R, V, add_up = min(choices, key=lambda choice: choice[0])
    width, high = V * lanes, -(-Kg // R) * R
    if cut > 1:
        first, lane = np.array(starts)[:, None] + np.arange(cut) * width, np.arange(V) * lanes
        sources = first.reshape(-1, 1) + lane
    else:
        along = np.arange(-(-run // lanes)) * lanes
        sources = filled_up(np.array(starts), together).reshape(-1, together, 1) + along
        sources = sources.reshape(len(sources), -1)
        lane = (np.arange(together)[:, None] * run + along).ravel()
    r, within = np.divmod(np.arange(T), run)
    block = (r // together) * cut + within // width
    order = block * high * width + (r % together) * run + within % width
    samples = max(1, GROUP_BYTES // ((sample + row[2] * column[2] * K) * itemsize), CHUNK // (row[2] * column[2]))
    part = Part((0,) * 6, 0, tuple(row), tuple(column))
    return WeightPlan(
        Kg, T, width, R, add_up, sample, samples, Kg % R == 0 and K * itemsize <= DIRECT_BYTES, part,
        sources, lane, order.reshape(T // Cg, Cg).T.ravel(), len(sources) * high * width,
    )  # fmt: skip
