"""The memory layout of a direct convolution: frames, their phases, and the taps of a kernel.

The zero-padded images of a few samples are stored one after another, one long row of places per channel: a *frame*.
Then the input for a kernel offset (u, v) is at a fixed distance from the place of the result, the same for all results:
a *tap*. With a stride s the cells of an image are split into s * s frames per channel, the *phases* (polyphase
decomposition): cell f of the padded image is cell f // s of phase f % s, and again every distance is fixed.

Registers hold neighbouring places, so the padding between the lines is computed with the rest. If there are enough
samples, as many as a register has lanes are *interleaved*: the same cell of all of them is stored side by side. A
register then holds one cell of all of them (a *strip* of samples), and no place is wasted.

`Axis` is the geometry along one axis; `Frame` combines two axes.

Imports: NumPy, ``lanes.py``, ``taps.py``. Read next: ``taps.py``.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.taps import pack_alone, pack_interleaved_alone

#: Samples are interleaved if that computes at most this multiple of the places, because copying is cheaper then. But
#: whole lines are copied faster than squares, so the limit is lower for whole lines and strips above so many bytes.
INTERLEAVE_LIMIT, INTERLEAVE_LIMIT_WHOLE_LINES, LARGE_STRIP_BYTES = 1.25, 0.8, 1 << 22


class Line(NamedTuple):
    """Cells `start`, `start + step`, ... of a line of an image, `size` of them.

    In a frame, the first of them stands at place `lead` of the line's places.
    """

    lead: int
    start: int
    step: int
    size: int


class Tap(NamedTuple):
    """Offset `u` of the kernel: it is found in phase number `phase`, `shift` places further on."""

    u: int
    phase: int
    shift: int


class Axis(NamedTuple):
    """A convolution along one axis.

    phases: what each frame takes from a line of the image.
    length: how many places of a line the results look at.
    pitch: from one line of the frame to the next; less than `length` where the zeros at the end of a
    line are also those at the start of the next one.
    results: the lines of results, and the taps that each of them sums.
    """

    phases: tuple[Line, ...]
    length: int
    pitch: int
    results: tuple[tuple[Line, tuple[Tap, ...]], ...]


@lru_cache(maxsize=1024)
def window_axis(size: int, out: int, k: int, stride: int, padding: int, dilation: int) -> Axis:
    """The axis of `conv2d`: each of `out` results looks through its window at `size` cells."""
    line = Line(0, 0, 1, out)
    places = [divmod(u * dilation, stride) for u in range(k)]  # (shift, phase) of the offsets
    used = sorted({phase for _, phase in places})
    length = out + places[-1][0]
    phases = tuple(_line(a - padding, stride, size, length) for a in used)
    taps = tuple(Tap(u, used.index(phase), shift) for u, (shift, phase) in enumerate(places))
    return Axis(phases, length, _pitch(phases, length, out), ((line, taps),))


@lru_cache(maxsize=1024)
def spread_axis(out: int, size: int, k: int, stride: int, padding: int, dilation: int) -> Axis:
    """The axis of `conv_transpose2d`: the `out` cells of g spread over `size` cells of the image.

    Cell q * stride + a of the padded image is result q of phase a, the sum of g[q - shift] over the
    offsets of the kernel with u * dilation == shift * stride + a.
    """
    places = [divmod(u * dilation, stride) for u in range(k)]
    lines, starts = [], []  # per phase of the result: its cells; the first cell of g for each offset
    for a in sorted({phase for _, phase in places}):
        line = _line(a - padding, stride, size, size + padding)
        lines.append(line._replace(lead=0))
        starts.append([(u, line.lead - shift) for u, (shift, phase) in enumerate(places) if phase == a])
    lead = max(0, -min(start for group in starts for _, start in group))
    longest = max(line.size for line in lines)
    length = lead + longest + max(0, *(start for group in starts for _, start in group))
    phases = (_line(-lead, 1, out, length),)
    taps = (tuple(Tap(u, 0, lead + start) for u, start in group) for group in starts)
    return Axis(phases, length, _pitch(phases, length, longest), tuple(zip(lines, taps)))


def _line(first: int, step: int, size: int, length: int) -> Line:
    """The real cells among first, first + step, ... (`length` of them) of a line of `size` cells."""
    lead = min(max(0, -(first // step)), length)
    stop = min(max(lead, -((first - size) // step)), length)
    return Line(lead, first + lead * step, step, stop - lead)


def _pitch(phases: tuple[Line, ...], length: int, longest: int) -> int:
    """As little as the zeros at both ends of the lines allow, but room for the longest result."""
    shared = min(min(line.lead, length - line.lead - line.size) for line in phases)
    return max(length - shared, longest)


def filled_up(places: Array, multiple: int) -> Array:
    """The last place repeated until their number is a multiple."""
    return np.concatenate([places, np.repeat(places[-1:], -len(places) % multiple)])


class Part(NamedTuple):
    """Results that sum the same taps: their lines along both axes, the taps, and where their sums begin."""

    row: Line
    column: Line
    row_taps: tuple[Tap, ...]
    column_taps: tuple[Tap, ...]
    at: int


class Grid(NamedTuple):
    """The places of the cells of two lines, one of rows and one of columns, for interleaved samples.

    The first is at `at`; the distance is `pitch` between rows, and a register between columns.
    """

    row: Line
    column: Line
    at: int
    pitch: int
    strip_pitch: int


@lru_cache(maxsize=256)
def interleaved_places(hw: tuple[int, int], grids: tuple[Grid, ...], strips: int, lanes: int) -> Array:
    """The place of each cell of an image, for each strip of samples; -1 for none.

    (strips, H * W rounded up to whole registers).
    """
    places = np.full((strips, -(-hw[0] * hw[1] // lanes) * lanes), -1)
    for row, column, at, pitch, strip_pitch in grids:
        i, j = np.arange(row.size)[:, None], np.arange(column.size)
        cells = (row.start + i * row.step) * hw[1] + column.start + j * column.step
        strip = np.arange(strips)[:, None, None] * strip_pitch
        places[:, cells.ravel()] = (at + strip + i * pitch + j * lanes).reshape(strips, -1)
    return places


class Frame:
    """The frames of a group of samples, and their layout.

    cells (groups, C/groups * phases, places): `pack` fills those of images, the others stay zero.
    samples: as many as fit such that cells and results of K channels take at most `group_bytes`, and leave some for as
    many groups as `pieces`; at least a strip.
    parts: the sums to compute.
    """

    def __init__(
        self, x: Array, groups: int, K: int, rows: Axis, columns: Axis, group_bytes: int, pieces: int = 1
    ) -> None:
        N, C = x.shape[:2]
        self.rows, self.columns, self.groups, self.K = rows, columns, groups, K
        self.channels = C // groups
        self.lanes = REGISTER_BYTES // x.itemsize
        self.phases = len(rows.phases) * len(columns.phases)
        results = len(rows.results) * len(columns.results)
        strip_bytes = (C * self.phases + K * results) * rows.pitch * columns.pitch * x.itemsize
        self.interleaved = self.lanes if _should_interleave(N, C, K, rows, columns, self.lanes, x.itemsize) else 1
        self.pitch = columns.pitch * self.interleaved
        self.strip_pitch = rows.pitch * self.pitch
        strips = min(-(-N // (self.interleaved * pieces)), max(1, group_bytes // (strip_bytes * self.interleaved)))
        self.samples = strips * self.interleaved
        places = (strips - 1) * self.strip_pitch + (rows.length - 1) * self.pitch + columns.length * self.interleaved
        # An odd number of 64-byte lines: planes at a distance of 4096 bytes would share cache sets.
        places = (places * x.itemsize // 64 + 1 | 1) * 64 // x.itemsize
        shape = (groups, self.channels * self.phases, places)
        size = groups * self.channels * self.phases * places
        self.slack = slack = 8 * self.lanes  # the last registers may reach beyond the last cell
        self.cells: Array = np.zeros(size + slack, x.dtype)[:size].reshape(shape)
        self.parts, at = [], 0
        for row, row_taps in rows.results:
            for column, column_taps in columns.results:
                if row.size and column.size:
                    self.parts.append(Part(row, column, row_taps, column_taps, at))
                    at += strips * self.strip_pitch + slack
        self.result_places = max(at, 1)

    def pack(self, x: Array, first: int, count: int) -> None:
        """Take in the samples `first`, ..., `first + count - 1` of x (N, C, H, W)."""
        if self.interleaved > 1:
            return pack_interleaved_alone(x, first, count, self.places(x, self.cell_grids), self.phases, self.cells)
        for phase, (row, column) in enumerate(product(self.rows.phases, self.columns.phases)):
            layout = (self.strip_pitch, self.pitch, self.lead(row, column), phase, self.phases)
            pack_alone(x, first, count, row[1:], column[1:], self.cells, layout)

    def offsets(self, part: Part) -> Array:
        """The distances of all taps of a part, flat in the order (channel, u, v)."""
        _, row_phase, row_shift = np.array(part.row_taps).T
        _, column_phase, column_shift = np.array(part.column_taps).T
        plane = row_phase[:, None] * len(self.columns.phases) + column_phase
        shift = row_shift[:, None] * self.pitch + column_shift * self.interleaved
        channel = np.arange(self.channels)[:, None, None] * self.phases
        distances: Array = (channel + plane) * self.cells.shape[2] + shift
        return distances.ravel()

    def starts(self, count: int, part: Part, multiple: int) -> Array:
        """The places that registers of results start at, for `count` samples; the last repeated to a multiple."""
        pitches = (self.strip_pitch, self.pitch, self.interleaved)
        return _starts(count, part.row.size, part.column.size, pitches, self.lanes, multiple)

    def results(self) -> Array:
        """Room for the results of all parts: (groups, K/groups rounded up to fours, places)."""
        return np.zeros((self.groups, -(-self.K // self.groups // 4) * 4, self.result_places), self.cells.dtype)

    def pack_results(self, g: Array, first: int, count: int, results: Array) -> None:
        """Take in given results of these samples, g (N, K, oh, ow), where `starts` has them; there is one part."""
        (part,) = self.parts
        if self.interleaved > 1:
            return pack_interleaved_alone(g, first, count, self.places(g, self.result_grids), 1, results)
        if count < self.samples:
            results.fill(0)  # what the larger group before this one has left
        layout = (self.strip_pitch, self.pitch, part.at, 0, 1)
        pack_alone(g, first, count, part.row[1:], part.column[1:], results, layout)

    def lead(self, row: Line, column: Line) -> int:
        """The place of the first cell of a phase."""
        return row.lead * self.pitch + column.lead * self.interleaved

    @cached_property
    def cell_grids(self) -> tuple[Grid, ...]:
        """Where interleaved cells stand."""
        lines, width = product(self.rows.phases, self.columns.phases), self.cells.shape[2]
        return tuple(
            Grid(row, column, phase * width + self.lead(row, column), self.pitch, self.strip_pitch)
            for phase, (row, column) in enumerate(lines)
        )

    @cached_property
    def result_grids(self) -> tuple[Grid, ...]:
        """For interleaved samples the registers of results are in the order of `starts`, without gaps."""
        grids = []
        for row, column, _, _, at in self.parts:
            pitch = column.size * self.interleaved
            grids.append(Grid(row, column, at, pitch, row.size * pitch))
        return tuple(grids)

    def places(self, images: Array, grids: tuple[Grid, ...]) -> Array:
        """Where the cells of images go, for each strip."""
        return interleaved_places(images.shape[2:], grids, self.samples // self.interleaved, self.interleaved)


@lru_cache(maxsize=1024)
def _starts(count: int, rows: int, columns: int, pitches: tuple[int, int, int], lanes: int, multiple: int) -> Array:
    """`Frame.starts` for results of so many rows and columns; pitches: of strips, lines and columns."""
    strip_pitch, pitch, interleaved = pitches
    if interleaved == 1:
        starts = np.arange(0, (count - 1) * strip_pitch + (rows - 1) * pitch + columns, lanes)
    else:
        strip = np.arange(-(-count // interleaved))[:, None, None] * strip_pitch
        starts = strip + np.arange(rows)[:, None] * pitch + np.arange(columns) * interleaved
    return filled_up(starts.ravel(), multiple)


def _should_interleave(N: int, C: int, K: int, rows: Axis, columns: Axis, lanes: int, itemsize: int) -> bool:
    """Whether lanes without a sample are cheaper than the places between lines (fitted to the times of 476 layers)."""
    needed, computed, cells, results = 1, 1, 1, 1
    for axis in (rows, columns):
        needed *= sum(len(met) * line.size for line, met in axis.results)
        computed *= sum(len(met) for _, met in axis.results) * axis.pitch
        cells *= len(axis.phases) * axis.pitch
        results *= sum(line.size for line, _ in axis.results)
    lines = [*columns.phases, *(line for line, _ in columns.results)]
    large = (C * cells + K * results) * lanes * itemsize > LARGE_STRIP_BYTES
    limit = INTERLEAVE_LIMIT_WHOLE_LINES if large and all(line.step == 1 for line in lines) else INTERLEAVE_LIMIT
    return -(-N // lanes) * lanes * needed < limit * N * computed
