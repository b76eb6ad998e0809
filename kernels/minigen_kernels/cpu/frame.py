"""The geometry of a convolution as fixed distances: frames, their phases, and the taps of a kernel.

The images of a few samples are laid out one after another, one long row of places per channel: a
*frame*. Zeros stand between the lines of an image where a kernel may hang over its edge. Then a kernel
offset (u, v) is found at a fixed distance from the place of the result, the same for all results: a
*tap*. With a stride s the cells of an image are dealt out to s * s frames per channel, the *phases*:
cell f of the padded image is cell f // s of phase f % s, and again every distance is fixed.

`Axis` states this along one axis, where everything is decided; `Frame` puts two axes together.

Imports: NumPy, ``taps.py``. Read next: ``taps.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.taps import pack


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


class Frame:
    """The frames of a group of samples, and where in them everything is.

    cells: (groups, C/groups * phases, places), of which `pack` fills the cells of images; the others
    stay zero. samples: how many samples fit, such that cells and results of K channels take at most
    `group_bytes` (but at least one).
    """

    def __init__(self, x: Array, groups: int, K: int, rows: Axis, columns: Axis, group_bytes: int) -> None:
        N, C = x.shape[:2]
        self.rows, self.columns, self.groups = rows, columns, groups
        self.channels = C // groups
        self.pitch = columns.pitch
        self.sample_pitch = rows.pitch * columns.pitch
        self.phases = len(rows.phases) * len(columns.phases)
        bytes_per_sample = (C * self.phases + K) * self.sample_pitch * x.itemsize
        self.samples = min(N, max(1, group_bytes // bytes_per_sample))
        places = (self.samples - 1) * self.sample_pitch
        places += (rows.length - 1) * columns.pitch + columns.length
        # An odd number of 64-byte lines: planes at a distance of 4096 bytes would share cache sets.
        places = (places * x.itemsize // 64 + 1 | 1) * 64 // x.itemsize
        shape = (groups, self.channels * self.phases, places)
        size = groups * self.channels * self.phases * places
        slack = 8 * REGISTER_BYTES // x.itemsize  # the last block of places may read beyond the last cell
        self.cells: Array = np.zeros(size + slack, x.dtype)[:size].reshape(shape)

    def pack(self, x: Array, first: int, count: int) -> None:
        """Take in the samples `first`, ..., `first + count - 1` of x (N, C, H, W)."""
        phase = 0
        for row in self.rows.phases:
            for column in self.columns.phases:
                lead = row.lead * self.pitch + column.lead
                pack(
                    x,
                    first,
                    count,
                    row[1:],
                    column[1:],
                    self.cells,
                    phase,
                    self.phases,
                    lead,
                    self.sample_pitch,
                    self.pitch,
                )
                phase += 1

    def offsets(self, row_taps: tuple[Tap, ...], column_taps: tuple[Tap, ...]) -> Array:
        """The distances of all taps of a group, flat in the order (channel, u, v)."""
        _, row_phase, row_shift = np.array(row_taps).T
        _, column_phase, column_shift = np.array(column_taps).T
        plane = row_phase[:, None] * len(self.columns.phases) + column_phase
        shift = row_shift[:, None] * self.pitch + column_shift
        channel = np.arange(self.channels)[:, None, None] * self.phases
        distances: Array = (channel + plane) * self.cells.shape[2] + shift
        return distances.ravel()

    def places(self, count: int, row: Line, column: Line) -> int:
        """How many places the results of `count` samples span, those between them included."""
        return (count - 1) * self.sample_pitch + (row.size - 1) * self.pitch + column.size

    def results(self, K: int, registers: int) -> Array:
        """Room for the results of K channels: (groups, K/groups rounded up to fours, places).

        The places are rounded up to a multiple of so many registers. Its content is undefined.
        """
        block = registers * REGISTER_BYTES // self.cells.itemsize
        places = -(-self.samples * self.sample_pitch // block) * block
        dtype: np.dtype[Any] = self.cells.dtype
        return np.empty((self.groups, -(-K // self.groups // 4) * 4, places), dtype)
