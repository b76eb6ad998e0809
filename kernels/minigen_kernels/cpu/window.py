"""The geometry of convolutions on frames whose channels lie last, and the copy of images to a frame.

A *frame* is the zero-padded images of a few samples, (n, h, w, c) in memory. A result looks at it from its own place,
through the offsets of the kernel. Two results that use the same offsets are of one *part*: there is one part of
`conv2d`, and one for each phase of the result of `conv_transpose2d` (``frame.spread_axis``).

Imports: NumPy, ``circle.py``, ``frame.py``, ``window_groups.py``. Read next: ``window_groups.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.frame import filled_up, spread_axis
from minigen_kernels.cpu.window_groups import Packing


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


@lru_cache(maxsize=1024)
def windows(geometry: Geometry) -> tuple[Side, Side]:
    """Both axes of `conv2d` and `conv2d_weight_grad`."""
    rows, columns = (window_side(*axis) for axis in zip(*geometry))
    return rows, columns


@lru_cache(maxsize=1024)
def phases(geometry: Geometry) -> tuple[Side, Side]:
    """Both axes of `conv_transpose2d`."""
    hw, out_hw, *others = geometry
    rows, columns = (spread_side(*axis) for axis in zip(out_hw, hw, *others))
    return rows, columns


def frame_sides(geometry: Geometry, transposed: bool, hw: Pair, last: bool) -> tuple[Side, Side, bool]:
    """Both axes of a convolution's frame, and whether images of that size, channels `last`, are read without a copy.

    Then a place of the frame is a cell of the image, and the frame is as large.
    """
    rows, columns = phases(geometry) if transposed else windows(geometry)
    whole = last and not rows.lead + columns.lead and rows.length <= hw[0] and columns.length <= hw[1]
    if whole:
        rows, columns = rows._replace(length=hw[0]), columns._replace(length=hw[1])
    return rows, columns, whole


class Part(NamedTuple):
    """Results that sum the same taps.

    levels: the terms of a pixel (``window_sums._sum_panels``); at: where the weights
    begin, in terms; row, column: (first result, step, count, step in the frame).
    """

    levels: tuple[int, int, int, int, int, int]
    at: int
    row: tuple[int, ...]
    column: tuple[int, ...]


@lru_cache(maxsize=256)
def pixels(
    part: Part, sample: int, row_pitch: int, C: int, out_hw: tuple[int, int], K: int, count: int
) -> tuple[Array, Array]:
    """The places of the results of `count` samples in the frame, a multiple of 120, and in the result."""
    (top, down, height, row_step), (left, across, width, step) = part.row, part.column
    n, i, j = np.arange(count)[:, None, None], np.arange(height)[:, None], np.arange(width)
    places = n * sample + i * row_step * row_pitch + j * step * C
    targets = (n * out_hw[0] * out_hw[1] + (top + i * down) * out_hw[1] + left + j * across) * K
    return filled_up(places.ravel(), 120), filled_up(targets.ravel(), 120)


@lru_cache(maxsize=256)
def cell_places(rows: Side, columns: Side, hw: tuple[int, int], C: int, lanes: int) -> Array:
    """The place in a frame of each cell of an image, whole registers of them; -1 for none."""
    places = np.full((hw[0], hw[1]), -1)
    i, j = np.arange(rows.size)[:, None], np.arange(columns.size)
    places[rows.start + i, columns.start + j] = ((rows.lead + i) * columns.length + columns.lead + j) * C
    return filled_with(places.ravel(), -1, lanes)


def filled_with(places: Array, rest: int, multiple: int) -> Array:
    """A number appended until their count is a multiple."""
    return np.concatenate([places, np.full(-len(places) % multiple, rest)])


def flattened(x: Array, last: bool) -> Array:
    """The memory of x (N, C, H, W), copied if need be."""
    return x.transpose(0, 2, 3, 1).reshape(-1) if last else np.ascontiguousarray(x).reshape(-1)


def packing(rows: Side, columns: Side, shape: tuple[int, ...], last: bool, sample: int) -> Packing:
    """How images (N, C, H, W), whose channels are last or first, are copied to frames of `sample` numbers each."""
    _, C, H, W = shape
    start, lead = (rows.start * W + columns.start) * C, (rows.lead * columns.length + columns.lead) * C
    lines = (start, W * C, rows.size, columns.size * C)
    return int(last), C * H * W, *lines, lead, sample, columns.length * C, C, H * W
