"""The geometry of a convolution as fixed distances: frames, their phases, and the taps of a kernel.

The images of a few samples are laid out one after another, one long row of places per channel: a
*frame*. Zeros stand between the lines of an image where a kernel may hang over its edge. Then a kernel
offset (u, v) is found at a fixed distance from the place of the result, the same for all results: a
*tap*. With a stride s the cells of an image are dealt out to s * s frames per channel, the *phases*:
cell f of the padded image is cell f // s of phase f % s, and again every distance is fixed.

Registers hold neighbouring places, so the places between the lines are computed with the rest. On small images with
many channels these are too many. There as many samples as a register has lanes go *abreast*: a place for each of them,
side by side, where else one stands. A register then holds one cell of all of them, and no place is wasted.

`Axis` states this along one axis, where everything is decided; `Frame` puts two axes together.

Imports: NumPy, ``taps.py``. Read next: ``taps.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.taps import Layout, pack

#: What it costs to move one cell into or out of a frame with samples abreast (measured on an x86 processor).
CELL_COPY_CYCLES = 4


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


def _worth_transposing(N: int, C: int, K: int, groups: int, rows: Axis, columns: Axis, lanes: int) -> bool:
    """Whether a sample in each lane saves more than it costs, in cycles of a processor for one sample.

    It saves the places between the lines of small images: two registers of multiplications a cycle. It costs a copy
    of single cells instead of registers, and the lanes without a sample.
    """
    taps, cells, results, products = (1, 1, 1, 1)
    for axis in (rows, columns):
        taps *= sum(len(met) for _, met in axis.results)
        products *= sum(len(met) * line.size for line, met in axis.results)
        cells *= sum(line.size for line in axis.phases)
        results *= sum(line.size for line, _ in axis.results)
    strips = -(-N // lanes)
    useful, computed = products, taps * rows.pitch * columns.pitch
    saved = (computed * N - useful * strips * lanes) * C * (K // groups) / (2 * lanes)
    return saved > CELL_COPY_CYCLES * (C * cells + K * results) * N


class Frame:
    """The frames of a group of samples, and where in them everything is.

    cells (groups, C/groups * phases, places): `pack` fills those of images, the others stay zero.
    samples: as many as fit such that cells and results of K channels take at most `group_bytes`; at least a strip.
    """

    def __init__(self, x: Array, groups: int, K: int, rows: Axis, columns: Axis, group_bytes: int) -> None:
        N, C = x.shape[:2]
        self.rows, self.columns, self.groups = rows, columns, groups
        self.channels = C // groups
        self.lanes = REGISTER_BYTES // x.itemsize
        self.phases = len(rows.phases) * len(columns.phases)
        self.abreast = self.lanes if _worth_transposing(N, C, K, groups, rows, columns, self.lanes) else 1
        self.pitch = columns.pitch * self.abreast
        self.strip_pitch = rows.pitch * self.pitch
        strip_bytes = (C * self.phases + K) * self.strip_pitch * x.itemsize
        strips = min(-(-N // self.abreast), max(1, group_bytes // strip_bytes))
        self.samples = strips * self.abreast
        places = (strips - 1) * self.strip_pitch + (rows.length - 1) * self.pitch + columns.length * self.abreast
        # An odd number of 64-byte lines: planes at a distance of 4096 bytes would share cache sets.
        places = (places * x.itemsize // 64 + 1 | 1) * 64 // x.itemsize
        shape = (groups, self.channels * self.phases, places)
        size = groups * self.channels * self.phases * places
        slack = 8 * self.lanes  # the last registers may reach beyond the last cell
        self.cells: Array = np.zeros(size + slack, x.dtype)[:size].reshape(shape)

    def pack(self, x: Array, first: int, count: int) -> None:
        """Take in the samples `first`, ..., `first + count - 1` of x (N, C, H, W)."""
        phase = 0
        for row in self.rows.phases:
            for column in self.columns.phases:
                lead = row.lead * self.pitch + column.lead * self.abreast
                layout = (self.abreast, self.strip_pitch, self.pitch, lead, phase, self.phases)
                pack(x, first, count, row[1:], column[1:], self.cells, layout)
                phase += 1

    def offsets(self, row_taps: tuple[Tap, ...], column_taps: tuple[Tap, ...]) -> Array:
        """The distances of all taps of a group, flat in the order (channel, u, v)."""
        _, row_phase, row_shift = np.array(row_taps).T
        _, column_phase, column_shift = np.array(column_taps).T
        plane = row_phase[:, None] * len(self.columns.phases) + column_phase
        shift = row_shift[:, None] * self.pitch + column_shift * self.abreast
        channel = np.arange(self.channels)[:, None, None] * self.phases
        distances: Array = (channel + plane) * self.cells.shape[2] + shift
        return distances.ravel()

    def starts(self, count: int, row: Line, column: Line, multiple: int) -> Array:
        """The places that registers of results start at, for `count` samples; the last repeated to a multiple."""
        if self.abreast == 1:
            places = (count - 1) * self.strip_pitch + (row.size - 1) * self.pitch + column.size
            starts = np.arange(0, places, self.lanes)
        else:
            strip = np.arange(-(-count // self.abreast))[:, None, None] * self.strip_pitch
            starts = strip + np.arange(row.size)[:, None] * self.pitch + np.arange(column.size) * self.abreast
        return filled_up(starts.ravel(), multiple)

    def result_layout(self, row: Line, column: Line) -> Layout:
        """Where results of these lines stand: their registers are in the order of `starts`, without gaps."""
        if self.abreast == 1:
            return (1, self.strip_pitch, self.pitch, 0, 0, 1)
        line = column.size * self.abreast
        return (self.abreast, row.size * line, line, 0, 0, 1)

    def results(self, K: int) -> Array:
        """Room for the results of K channels: (groups, K/groups rounded up to fours, places)."""
        places = self.samples // self.abreast * self.strip_pitch + 8 * self.lanes
        return np.zeros((self.groups, -(-K // self.groups // 4) * 4, places), self.cells.dtype)
