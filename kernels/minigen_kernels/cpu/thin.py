"""The gradient in w of a convolution whose images have few channels, a register of result channels at a time.

A weight (c, u, v) meets the results of all pixels with the cells at a fixed distance from them. So the gradient is

    gw[k, t] = sum over n and p of frame[place[n, p] + source[t]] * g[n, p, k],

a product of matrices, of which the first is read from the zero-padded image, where it lies. The lanes of a register are
channels k; the sums of some weights t stay in registers. With many channels it is better to have weights in the lanes,
which ``window_sums.py`` copies together for that; here copying would cost as much as the arithmetic.

Where the *results* have few channels and the stride is 1, the two change places: what the kernel is to the image, the
kernel turned around is to the gradient (`turned`).

Imports: NumPy, Numba, ``circle.py``, ``jit.py``, ``lanes.py``, ``layout.py``, ``panels.py``, ``threads.py``,
``tile.py``, ``window.py``, ``window_sums.py``. Read next: ``channels_last.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="var-annotated, call-arg"

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.channels_last import weights_cost
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import REGISTER_BYTES, lane_count
from minigen_kernels.cpu.layout import is_channels_last
from minigen_kernels.cpu.panels import pack_pixels, pack_planes
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import add_to, multiply, rows_at, rows_from, zeros
from minigen_kernels.cpu.window import filled_with, flattened, windows
from minigen_kernels.cpu.window_sums import moved

#: Weights whose sums stay in registers, and how many registers of channels of g meet a cell at a time, where there are
#: 32 registers.
ROWS = 9
WIDTH = 2 if REGISTER_BYTES == 64 else 1
#: Pixels of an image that meet all weights before the next ones: they fit the first-level cache.
CHUNK = 128
#: Pieces of the work, at most, and the sums that each may have for itself.
PIECES, OWN_SUMS = 8, 1 << 15

#: What a register of sums costs in windows, and one here where several meet a cell; others here cost 1.
WINDOWS, WIDE = 1.3 if REGISTER_BYTES == 64 else 0.9, 0.8


@lru_cache(maxsize=1024)
def fitting(C: int, K: int, geometry: Geometry, itemsize: int) -> str:
    """Whether the gradient in w is expected to be faster this way, "straight" or "turned", or in windows: ""."""
    lanes = REGISTER_BYTES // itemsize
    taps, (H, W), (oh, ow) = math.prod(geometry.kernel_hw), geometry.hw, geometry.out_hw
    costs = {"": WINDOWS * weights_cost(C, K, geometry, itemsize) * oh * ow}
    if C < lanes:
        costs["straight"] = _cost(C * taps, K, lanes) * oh * ow
    if K < lanes and geometry.stride == (1, 1) and min(_turned(geometry).padding) >= 0:
        costs["turned"] = _cost(K * taps, C, lanes) * H * W
    return min(costs, key=lambda way: costs[way])


def _cost(terms: int, K: int, lanes: int) -> float:
    """Registers of sums for a pixel."""
    registers = -(-K // lanes)
    wide = registers - registers % WIDTH if WIDTH > 1 else 0
    return -(-terms // ROWS) * ROWS * (WIDE * wide + registers - wide)


def _turned(geometry: Geometry) -> Geometry:
    """The same convolution with its image and its result in each other's place."""
    hw, out_hw, kernel_hw, stride, padding, dilation = geometry
    top, left = (d * (k - 1) - p for d, k, p in zip(dilation, kernel_hw, padding))
    return Geometry(out_hw, hw, kernel_hw, stride, (top, left), dilation)


class Plan(NamedTuple):
    """All that depends on shapes only, as `weight_lines` takes it."""

    counts: tuple[int, int, int, int]
    copies: tuple[int, int, int, Pair, Pair, Pair, int]
    walk: tuple[int, int, int, int]
    places: Array
    sources: Array


@lru_cache(maxsize=256)
def plan(shape: tuple[int, ...], last: bool, K: int, g_last: bool, geometry: Geometry, itemsize: int) -> Plan:
    """How the gradient in w is computed for images of that shape, whose channels are last or not."""
    N, C, H, W = shape
    lanes = REGISTER_BYTES // itemsize
    rows, columns = windows(geometry)
    ((*row, row_taps),), ((*column, column_taps),) = rows.results, columns.results
    oh, ow = row[2], column[2]
    pixel, plane = (C, 1) if last else (1, rows.length * columns.length)  # from cell to cell, and channel to channel
    line = columns.length * pixel
    lead, start = rows.lead * line + columns.lead * pixel, (rows.start * W + columns.start) * pixel
    steps, shapes, frame_steps = (H * W, W * pixel), (rows.size, columns.size * pixel), (plane, line)
    taps = [c * plane + i * line + j * pixel for c in range(C) for _, i in row_taps for _, j in column_taps]
    size = -(-len(taps) // ROWS) * ROWS * -(-K // lanes) * lanes
    pieces = min(PIECES, N) if size <= OWN_SUMS else 1
    return Plan(
        (N, K, pieces, C * rows.length * columns.length),
        (C * H * W, start, 1 if last else C, steps, shapes, frame_steps, lead),
        (oh, ow, row[3] * line, column[3] * pixel),
        np.zeros(0, int) if g_last else filled_with(np.arange(oh * ow) * K, -1, lanes),
        filled_up(np.array(taps), ROWS),
    )


def turned(x: Array, g: Array, geometry: Geometry) -> Array:
    """`weight_grad` with a stride of 1, for results of few channels."""
    return weight_grad(g, x, _turned(geometry))[:, :, ::-1, ::-1].swapaxes(0, 1)


def weight_grad(x: Array, g: Array, geometry: Geometry) -> Array:
    """The gradient in w: x (N, C, H, W), g (N, K, oh, ow) -> (K, C, kh, kw)."""
    last, g_last, K = is_channels_last(x), is_channels_last(g), g.shape[1]
    p = plan(x.shape, last, K, g_last, geometry, x.itemsize)
    gw = np.empty((K, x.shape[1], *geometry.kernel_hw), x.dtype)
    weight_lines(
        flattened(x, last), flattened(g, g_last), p.counts, p.copies, p.walk, p.places, p.sources, gw.reshape(-1)
    )
    return gw


@njit_cached()
def weight_lines(
    images: Array, g: Array, counts: tuple[int, int, int, int], copies: tuple[int, int, int, Pair, Pair, Pair, int],
    walk: tuple[int, int, int, int], places: Array, sources: Array, gw: Array,
) -> None:  # fmt: skip
    """The sums of all samples, to gw; all arrays are flat.

    counts: samples, channels of g, pieces, numbers of a frame. copies: how an image gets to its frame, numbers of an
    image, the first one, and what `pack_pixels` takes. walk: lines, pixels of a line, and the steps from one to the
    next in the frame. places: of the pixels of g, if its channels are first. sources: of the cells that a weight meets.
    """
    N, K, pieces, _ = counts
    across = -(-K // lane_count(g)) * lane_count(g)
    size = len(sources) * across
    sums = np.zeros(pieces * size, images.dtype)
    share(_pieces, pieces, 1, (images, g, counts, copies, walk, places, sources, sums))
    T = len(gw) // K
    for piece in range(1, pieces):
        for i in range(size):
            sums[i] += sums[piece * size + i]
    for k in range(K):
        for t in range(T):
            gw[k * T + t] = sums[t * across + k]


@njit_inner()
def _pieces(
    begin: int, stop: int, images: Array, g: Array, counts: tuple[int, int, int, int],
    copies: tuple[int, int, int, Pair, Pair, Pair, int], walk: tuple[int, int, int, int], places: Array,
    sources: Array, sums: Array,
) -> None:  # fmt: skip
    """Pieces begin, ..., stop - 1."""
    N, K, pieces, frame_size = counts
    sample, start, planes, steps, shape, frame_steps, lead = copies
    pixels, size, lanes = walk[0] * walk[1], len(sums) // pieces, lane_count(g)
    first_places = len(places) > 0
    whole = K % lanes == 0  # else the last register of a pixel reads on, into the samples that follow
    frame = np.zeros(frame_size, images.dtype)
    copied = np.zeros(0 if whole and not first_places else pixels * K + lanes, images.dtype)
    for piece in range(begin, stop):
        mine = sums[piece * size : (piece + 1) * size]
        for n in range(piece * N // pieces, (piece + 1) * N // pieces):
            pack_pixels(images, n * sample + start, planes, steps, shape, frame, lead, frame_steps)
            if not first_places and (whole or (N - 1 - n) * pixels * K >= lanes):
                _add_image(frame, g, n * pixels * K, K, walk, sources, mine)
            else:
                if first_places:
                    pack_planes(g, n * pixels * K, 1, K, pixels, places, copied, 0)
                else:
                    for i in range(pixels * K):
                        copied[i] = g[n * pixels * K + i]
                _add_image(frame, copied, 0, K, walk, sources, mine)


@njit_inner()
def _add_image(
    frame: Array, g: Array, at: int, K: int, walk: tuple[int, int, int, int], sources: Array, sums: Array
) -> None:
    """The sums of one image: g (lines, pixels of a line, K) from g[at] on."""
    lines, line, down, step = walk
    lanes = lane_count(g)
    across, some = -(-K // lanes) * lanes, max(1, CHUNK // line)
    for i in range(0, lines, some):
        for t in range(0, len(sources), ROWS):
            cells = moved(rows_from(sources, t, ROWS), i * down)
            many, whole = min(some, lines - i), across - across % (WIDTH * lanes)
            for k in range(0, whole, WIDTH * lanes):
                wide = multiply(
                    zeros(frame, ROWS, WIDTH), frame, cells, g, at + i * line * K + k, many, line, down, step,
                    line * K, K,
                )  # fmt: skip
                add_to(sums, rows_at(t * across + k, across, ROWS), wide, ROWS, WIDTH * lanes)
            for k in range(whole, across, lanes):
                part = multiply(
                    zeros(frame, ROWS, 1), frame, cells, g, at + i * line * K + k, many, line, down, step, line * K, K
                )
                add_to(sums, rows_at(t * across + k, across, ROWS), part, ROWS, lanes)
