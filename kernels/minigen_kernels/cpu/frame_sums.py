"""A convolution in frames, from images to results: the tables of ``frame_groups.py``, which depend on shapes only.

Imports: NumPy, ``frame.py``, ``frame_groups.py``, ``layout.py``. Read next: ``frame.py``, ``frame_groups.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.frame import Axis, Frame
from minigen_kernels.cpu.frame_groups import PIECES, Facts, sum_frames
from minigen_kernels.cpu.layout import as_channels_first, lies_last

#: What the frame and the results of a group of samples may take together: a frame is read many times, and should be in
#: the second-level cache.
GROUP_BYTES = 1 << 19
#: What the taps in work at once may use: about as much in weights as in cells, or cells alone.
CACHE_BYTES = 3 << 17


class Plan(NamedTuple):
    """What `sum_frames` takes; `order`: where each of its weights stands in w, -1 for a zero."""

    covered: bool
    facts: Facts
    pitches: Pair
    cell_places: Array
    phases: Array
    parts: Array
    offsets: Array
    starts: Array
    order: Array
    result_places: Array


@lru_cache(maxsize=256)
def _plan(
    shape: tuple[int, ...], kernels: tuple[int, ...], out_hw: Pair, rows: Axis, columns: Axis, dtype: Any
) -> Plan:
    """The plan for images of that shape, and weights w of shape `kernels`."""
    N, (groups, Kg) = shape[0], kernels[:2]
    x = np.broadcast_to(np.zeros((), dtype), shape)
    y = np.broadcast_to(x[:1, :1, :1, :1], (N, groups * Kg, *out_hw))
    frame = Frame(x, groups, groups * Kg, rows, columns, GROUP_BYTES, PIECES)
    places = np.arange(np.prod(kernels)).reshape(kernels)
    blocks, multiple = -(-Kg // 4), 6 if Kg == 1 else 3
    parts: list[tuple[int, ...]] = []
    offsets: list[Array] = []
    starts: list[Array] = []
    order: list[Array] = []
    for part in frame.parts:
        met = places[:, :, :, [tap.u for tap in part.row_taps]][..., [tap.u for tap in part.column_taps]]
        met = met.reshape(groups, Kg, -1)
        T = met.shape[2]
        if Kg > 1:  # what a block of four channels needs next, side by side: (groups, blocks, T, 4)
            padded = np.full((groups, blocks * 4, T), -1)
            padded[:, :Kg] = met
            met = padded.reshape(groups, blocks, 4, T).swapaxes(2, 3)
        registers = [frame.starts(count, part, multiple) for count in (frame.samples, (N - 1) % frame.samples + 1)]
        begin, first = sum(len(some) for some in starts), sum(len(some) for some in order)
        spans = [begin, len(registers[0]), begin + len(registers[0]), len(registers[1])]
        at_once = taps_at_once(T, 2 * met.size * x.itemsize)
        parts.append(
            (part.at, sum(len(some) for some in offsets), T, *spans, at_once, first, *part.row[1:], *part.column[1:])
        )
        offsets.append(frame.offsets(part))
        starts += registers
        order.append(met.ravel())
    phases = [(*row[1:], *column[1:], frame.lead(row, column)) for row in rows.phases for column in columns.phases]
    strips, (_, planes, width) = frame.interleaved > 1, frame.cells.shape
    none = np.zeros(0, int)
    return Plan(
        tuple(sum(line.size for line, _ in axis.results) for axis in (rows, columns)) == out_hw,
        (frame.samples, groups, planes, width, frame.slack, blocks * 4, frame.result_places),
        (frame.strip_pitch, frame.pitch),
        frame.places(x, frame.cell_grids) if strips else none,
        np.array(phases),
        np.array(parts),
        np.concatenate(offsets),
        np.concatenate(starts),
        np.concatenate(order),
        frame.places(y, frame.result_grids) if strips else none,
    )


def sum_in_frames(x: Array, w: Array, out_hw: Pair, rows: Axis, columns: Axis) -> Array:
    """The sums over taps that both convolutions are.

    x (N, C, ., .), w (groups, K/groups, C/groups, kh, kw) -> (N, K, *out_hw).
    """
    groups, Kg = w.shape[:2]
    shape = (len(x), groups * Kg, *out_hw)
    if 0 in x.shape or 0 in shape or any(sum(line.size for line, _ in axis.results) == 0 for axis in (rows, columns)):
        return np.zeros(shape, x.dtype)
    p = _plan(x.shape, w.shape, out_hw, rows, columns, x.dtype)
    y: Array = (np.empty if p.covered else np.zeros)(shape, x.dtype)
    w = w.ravel()
    weights = np.append(w, w.dtype.type(0))[p.order] if Kg % 4 and Kg > 1 else w[p.order]
    last = lies_last(x)
    images = x.transpose(0, 2, 3, 1) if last else as_channels_first(x)
    sum_frames(
        images, last, p.facts, p.pitches, p.cell_places, p.phases, p.parts, p.offsets, p.starts,
        weights if Kg == 1 else weights.reshape(-1, 4), p.result_places, y,
    )  # fmt: skip
    return y


def taps_at_once(T: int, size: int) -> int:
    """How many of T taps to work through at once, if together they use `size` bytes; a multiple of 4."""
    return -(-T // -(-size // CACHE_BYTES) // 4) * 4
