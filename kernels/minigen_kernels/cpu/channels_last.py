"""Convolution and its two adjoints for many channels, as products of matrices whose rows overlap.

The zero-padded images of a few samples, a *frame*, lie in memory as (n, h, w, c). Then a row of a kernel's window is
one run of kw * C numbers, and the window of a pixel is a few runs at the same distances for every pixel. So a
convolution is a product: row p of the first matrix is the window of pixel p, read where it lies; the second are the
weights, copied once per call to *panels* (panel, u, v, c, lane), a few registers of result channels side by side.
``tile.py`` computes a block of it in registers: some pixels times the channels of a panel.

The gradient in x is the same for each phase of its result (``frame.spread_axis``). The gradient in w is a product, too:
a row is what one weight meets in all samples, read from the frame; the second matrix is g, copied to panels.

Images may come in both layouts; a result is channels last (``layout.py``). What fits the second-level cache is worked
through at a time: groups of samples or, if all samples together are less than the weights, panels. The order of all
sums depends only on the shapes.

Imports: NumPy, ``circle.py``, ``frame.py``, ``layout.py``, ``product.py``, ``window.py``, ``window_groups.py``,
``window_sums.py``. Specification: ``../reference/conv.py``. Read next: ``window.py``.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu import window_sums
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import is_channels_last
from minigen_kernels.cpu.product import second_cache
from minigen_kernels.cpu.window import (
    Part,
    Side,
    cell_places,
    filled_with,
    flattened,
    frame_sides,
    packing,
    pixels,
    windows,
)
from minigen_kernels.cpu.window_groups import CHUNK, MOST_LANES, PIECES, Packing, sum_groups, weight_groups

#: What the frame of a group of samples may take where the order of sums depends on it: half of a second-level cache.
GROUP_BYTES = 1 << 18
#: The fewest pixels of a group, if they fit into half of the cache: for each group all weights are read once more.
FEWEST_PIXELS = 96
#: Results with more bytes for a pixel are copied to blocks of channels: they would be read a cache line for each pixel.
DIRECT_BYTES = 128
#: Sums of a gradient in w that a piece of the work may have for itself.
OWN_SUMS = 1 << 14
#: For so few channels of results the cells that long runs of weights meet are not copied first.
IN_PLACE = 16
#: What copying a register of cells costs, in multiplications of registers.
COPY = 6


class Plan(NamedTuple):
    """All of `correlate` that depends on shapes only: `covered`, whether each result has a part; else what `sum_groups`
    takes.
    """

    covered: bool
    whole: bool
    packing: Packing
    cells: Array
    counts: tuple[int, int, int]
    parts: Array
    places: Array
    targets: Array
    panels: Array
    outer: tuple[int, int, int]
    weight_places: Array
    facts: tuple[int, int, int]


@lru_cache(maxsize=256)
def plan(
    shape: tuple[int, ...], last: bool, Kg: int, transposed: bool, geometry: Geometry, groups: int, itemsize: int
) -> Plan:
    """The plan of `correlate` for images of that shape, whose channels are last or not, and Kg results of a group."""
    N, C, H, W = shape
    Cg, lanes = C // groups, REGISTER_BYTES // itemsize
    out_hw = geometry.hw if transposed else geometry.out_hw
    rows, columns, whole = frame_sides(geometry, transposed, (H, W), last)
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
    fewest = -(-FEWEST_PIXELS // (out_hw[0] * out_hw[1]))
    few = N * sample <= C * Kg * geometry.kernel_hw[0] * geometry.kernel_hw[1]  # less than the weights: one group
    samples = N if few else _samples_in_group(N, sample * itemsize, fewest, second_cache() // 2)
    places, targets, table = [np.zeros(0, int)], [np.zeros(0, int)], []
    for part in parts:
        begins = []
        for count in (samples, (N - 1) % samples + 1):
            begins.append(sum(map(len, places)))
            for found, new in zip((places, targets), pixels(part, sample, row_pitch, C, out_hw, groups * Kg, count)):
                found.append(new)
        table.append((*part.levels, part.at, part.row[2] * part.column[2], *begins))
    taps = np.array([order[uv] for uv in sorted(order)]) * Cg
    in_panel = (taps if transposed else taps + np.arange(Cg)[:, None]).ravel()
    panels, weight_places = _panels(Kg, Cg, groups, lanes, in_panel, len(order), transposed)
    return Plan(
        sum(part.row[2] * part.column[2] for part in parts) == out_hw[0] * out_hw[1],
        whole,
        packing(rows, columns, shape, last, sample),
        np.zeros(0, int) if last else cell_places(rows, columns, (H, W), C, lanes),
        (N, samples, samples * sample + MOST_LANES),
        np.array(table, int).reshape(-1, 10),
        np.concatenate(places),
        np.concatenate(targets),
        panels,
        (Cg, Kg * len(order), 1) if transposed else (1, 0, 0),
        weight_places,
        (len(order) * Cg, len(order) if transposed else len(order) * Cg, out_hw[0] * out_hw[1] * groups * Kg),
    )


def _panels(
    Kg: int, Cg: int, groups: int, lanes: int, in_panel: Array, taps: int, transposed: bool
) -> tuple[Array, Array]:
    """The tables `panels` and `weight_places` of `sum_groups`; a weight of a channel stands at in_panel[.] * width."""
    wide = window_sums.HIGH_REGISTERS * lanes
    many = Kg if 0 == Kg % wide or Kg % wide > lanes else Kg - Kg % wide
    table, weight_places, at = [], [np.zeros(0, int)], 0
    for first, count, width in ((0, many, wide), (many, Kg - many, lanes)):
        for group in range(groups if count else 0):
            start = (group * Cg * Kg + first) * taps if transposed else (group * Kg + first) * taps * Cg
            table.append((group * Cg, group * Kg + first, count, width, start, at, sum(map(len, weight_places))))
            at += -(-count // width) * taps * Cg * width
        if count:
            weight_places.append(filled_with(in_panel * width, -1, lanes))
    return np.array(table, int), np.concatenate(weight_places)


def _samples_in_group(N: int, sample_bytes: int, fewest: int, group_bytes: int) -> int:
    """How many samples are worked on at a time: as many as fit, and enough groups for some threads."""
    return max(1, min(N, group_bytes // max(sample_bytes, 1), max(fewest, -(-N // PIECES))))


def correlate(
    x: Array, w: Array, transposed: bool, geometry: Geometry, groups: int,
    b: Array | None = None, end: int = window_sums.PLAIN, slope: float = 0.0,
) -> Array:  # fmt: skip
    """The sums that both convolutions are: x (N, C, ., .) -> (N, K, ., .), channels last.

    w (K, C/groups, kh, kw), or if `transposed` (C, K/groups, kh, kw).
    """
    last = is_channels_last(x)
    Kg = w.shape[1] if transposed else len(w) // groups
    p = plan(x.shape, last, Kg, transposed, geometry, groups, x.itemsize)
    y = np.empty((len(x), *(geometry.hw if transposed else geometry.out_hw), groups * Kg), x.dtype)
    if not p.covered:
        y[...] = end_of_zero(b, end, slope)
    w = np.ascontiguousarray(w).reshape(-1)
    b = w if b is None else np.ascontiguousarray(b)
    sum_groups(
        flattened(x, last), p.whole, p.packing, p.cells, p.counts, p.parts, p.places, p.targets, w, p.panels, p.outer,
        p.weight_places, p.facts, b, y.reshape(-1), end, slope,
    )  # fmt: skip
    return y.transpose(0, 3, 1, 2)


def end_of_zero(b: Array | None, end: int, slope: float) -> Any:
    """What a cell that no tap reaches becomes: the kernel of a transposed convolution can be smaller than its steps."""
    if b is None or end in (window_sums.PLAIN, window_sums.BIAS):
        return 0 if b is None else b
    return np.where(b < 0, b.dtype.type(slope) * b if end == window_sums.LEAKY_RELU else 0, b)


class WeightPlan(NamedTuple):
    """All of `weight_grad` that depends on shapes only: what `weight_groups` takes."""

    packing: Packing
    cells: Array
    counts: tuple[int, int, int, int]
    places: Array
    sources: Array
    lane: Array
    facts: tuple[int, int, int, int, int, int, int]
    line: tuple[int, int]
    order: Array


@lru_cache(maxsize=256)
def weight_plan(
    shape: tuple[int, ...], last: bool, K: int, geometry: Geometry, groups: int, itemsize: int
) -> WeightPlan:
    """How the gradient in w is computed for images of that shape, whose channels are last or not."""
    N, C, H, W = shape
    Cg, Kg, lanes = C // groups, K // groups, REGISTER_BYTES // itemsize
    rows, columns = windows(geometry)
    ((*row, row_taps),), ((*column, column_taps),) = rows.results, columns.results
    row_pitch = columns.length * C
    sample = rows.length * row_pitch
    T = len(row_taps) * len(column_taps) * Cg
    merged = _merged(columns, groups)
    run = len(column_taps) * C if merged else Cg
    starts = [i * row_pitch + j * C for _, i in row_taps for _, j in (column_taps[:1] if merged else column_taps)]
    _, together, cut, R, V = blocks_of_sums(run, len(starts), Kg, lanes)
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
    cells = row[2] * column[2]
    samples = _samples_in_group(N, (sample + cells * K) * itemsize, CHUNK // cells, GROUP_BYTES)
    size = len(sources) * high * width
    pieces = min(PIECES, -(-N // samples)) if groups * size <= OWN_SUMS else 1
    part = Part((0,) * 6, 0, tuple(row), tuple(column))
    in_place = Kg <= IN_PLACE and together == 1 and V == window_sums.WIDE_REGISTERS
    return WeightPlan(
        packing(rows, columns, shape, last, sample),
        np.zeros(0, int) if last else cell_places(rows, columns, (H, W), C, lanes),
        (N, samples, samples * sample + width, pieces),
        pixels(part, sample, row_pitch, C, (row[2], column[2]), K, samples)[0],
        sources,
        lane,
        (groups, Cg, Kg, cells, R, size, Kg % R == 0 and K * itemsize <= DIRECT_BYTES),
        (cells if in_place else 0, column[2]),
        order.reshape(T // Cg, Cg).T.ravel(),
    )


def blocks_of_sums(run: int, runs: int, Kg: int, lanes: int) -> tuple[int, int, int, int, int]:
    """The best blocks of sums: registers in all of them, runs side by side, parts of a run, rows and registers."""
    choices = []
    for R, V in (
        (window_sums.HIGH_ROWS, window_sums.HIGH_REGISTERS),
        (window_sums.WIDE_ROWS, window_sums.WIDE_REGISTERS),
    ):
        # Several short runs side by side in a block of sums, or a long run in several blocks.
        together, cut = max(1, V * lanes // run), -(-run // (V * lanes))
        choices.append((-(-Kg // R) * R * -(-runs // together) * cut * V, together, cut, R, V))
    best, wide = min(choices, key=lambda choice: choice[0]), choices[1]
    return wide if Kg <= IN_PLACE and wide[1] == 1 and wide[0] <= 1.25 * best[0] else best


def weights_cost(C: int, K: int, geometry: Geometry, itemsize: int) -> int:
    """Registers of sums of the gradient in w for a pixel of g; a copied register of cells counts as `COPY`."""
    (rows, columns), lanes = windows(geometry), REGISTER_BYTES // itemsize
    taps, merged = [len(side.results[0][4]) for side in (rows, columns)], _merged(columns, 1)
    run, runs = (taps[1] * C, taps[0]) if merged else (C, taps[0] * taps[1])
    registers, _, _, R, _ = blocks_of_sums(run, runs, K, lanes)
    return registers + COPY * registers // (-(-K // R) * R)


def _merged(columns: Side, groups: int) -> bool:
    """Whether the weights of a row of a kernel are neighbours in the frame, in all channels."""
    ((*_, taps),) = columns.results
    return groups == 1 and (len(taps) == 1 or taps[1][1] == 1)


def weight_grad(x: Array, g: Array, geometry: Geometry, groups: int) -> Array:
    """The gradient in w: x (N, C, H, W), g (N, K, oh, ow) -> (K, C/groups, kh, kw)."""
    last, g_last, K = is_channels_last(x), is_channels_last(g), g.shape[1]
    p = weight_plan(x.shape, last, K, geometry, groups, x.itemsize)
    gw = np.empty((K, x.shape[1] // groups, *geometry.kernel_hw), x.dtype)
    weight_groups(
        flattened(x, last), p.packing, p.cells, p.counts, p.places, p.sources, p.lane, flattened(g, g_last), g_last,
        p.facts, p.line, p.order, gw.reshape(-1),
    )  # fmt: skip
    return gw
