"""The copies of a convolution in windows: images to frames, weights and results to panels, and back.

What frames and panels are: ``channels_last.py``. All arrays are flat and contiguous; places, steps and pitches count
numbers of these arrays. Threads share the samples, or the channels.

Imports: Numba, ``lanes.py``, ``squares.py``, ``threads.py``. Read next: ``window_sums.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_inner
from minigen_kernels.cpu.lanes import lane_count, load, store
from minigen_kernels.cpu.squares import scatter_square
from minigen_kernels.cpu.threads import share

#: Numbers of a piece of the work, where they are turned.
PIECE = 1 << 16


@njit_inner()
def pack_pixels(
    images: Array, start: int, count: int, steps: tuple[int, int], shape: tuple[int, int], frame: Array, lead: int,
    frame_steps: tuple[int, int],
) -> None:  # fmt: skip
    """Copy lines of images whose channels are last: from images[start] on to the frame, frame[lead] on.

    `count` samples; shape: lines of a sample, numbers of a line; steps: from one sample and line to the next.
    """
    share(_pixels_part, count, 1, (images, start, steps, shape, frame, lead, frame_steps))


@njit_inner()
def _pixels_part(
    begin: int, stop: int, images: Array, start: int, steps: tuple[int, int], shape: tuple[int, int], frame: Array,
    lead: int, frame_steps: tuple[int, int],
) -> None:  # fmt: skip
    lanes = lane_count(images)
    lines, size = shape
    whole = size - size % lanes
    for n in range(begin, stop):
        for i in range(lines):
            s, t = start + n * steps[0] + i * steps[1], lead + n * frame_steps[0] + i * frame_steps[1]
            for j in range(0, whole, lanes):
                store(frame, t + j, load(images, s + j))
            if 0 < whole < size:  # the last register overlaps the one before
                store(frame, t + size - lanes, load(images, s + size - lanes))
            for j in range(size if whole else 0, size):
                frame[t + j] = images[s + j]


@njit_inner()
def pack_planes(
    images: Array, start: int, count: int, planes: int, size: int, places: Array, frame: Array, frame_sample: int
) -> None:
    """Copy images whose channels are first: `planes` planes of `size` cells of each of `count` samples.

    Cell j of plane c goes to frame[places[j] + c], none to negative places. Whole registers are written: what is
    beyond the last channel becomes zero, and belongs to a later cell, or to none. So the last channels go first, and
    threads share the samples only if nothing is beyond.
    """
    piece = 1 if planes % lane_count(images) == 0 else count
    share(_planes_part, count, piece, (images, start, planes, size, places, frame, frame_sample))


@njit_inner()
def _planes_part(
    begin: int, stop: int, images: Array, start: int, planes: int, size: int, places: Array, frame: Array,
    frame_sample: int,
) -> None:  # fmt: skip
    lanes = lane_count(images)
    for n in range(begin, stop):
        for j in range(0, size, lanes):
            for c in range((planes - 1) // lanes * lanes, -1, -lanes):
                s, at = start + (n * planes + c) * size + j, n * frame_sample + c
                if c + lanes <= planes and j + lanes <= size:  # without masks
                    scatter_square(images, s, size, lanes, lanes, frame, at, places, j)
                else:
                    scatter_square(images, s, size, planes - c, size - j, frame, at, places, j)


@njit_inner()
def pack_weights(
    w: Array, start: int, outer: tuple[int, int, int], count: int, columns: int, places: Array, packed: Array,
    pitch: int, width: int,
) -> None:  # fmt: skip
    """Rows of numbers to panels of `width` lanes: row i stands in lane i of its panel, as far as there are rows.

    outer: how many matrices, from one to the next in w and in a panel. Each has `count` rows of `columns` numbers;
    number j of a row goes to places[j] of the panel. From panel to panel it is `pitch`.
    """
    args = (w, start, outer, count, columns, places, packed, pitch, width)
    share(_weights_part, -(-count // width), 1 + PIECE // (width * outer[0] * columns), args)


@njit_inner()
def _weights_part(
    begin: int, stop: int, w: Array, start: int, outer: tuple[int, int, int], count: int, columns: int, places: Array,
    packed: Array, pitch: int, width: int,
) -> None:  # fmt: skip
    lanes = lane_count(w)
    many, step, packed_step = outer
    for panel in range(begin, stop):
        left = panel * width
        for o in range(many):
            for j in range(0, columns, lanes):
                for i in range(left, min(left + width, count), lanes):
                    s, at = start + o * step + i * columns + j, panel * pitch + i - left + o * packed_step
                    if i + lanes <= count and j + lanes <= columns:  # without masks
                        scatter_square(w, s, columns, lanes, lanes, packed, at, places, j)
                    else:
                        scatter_square(w, s, columns, count - i, columns - j, packed, at, places, j)


@njit_inner()
def unpack_weights(sums: Array, K: int, places: Array, width: int, w: Array, start: int) -> None:
    """w[start + k * T + t] = sums[places[t] + k * width] for K channels k and T places."""
    share(_unpack_part, K, 16, (sums, places, width, w, start))


@njit_inner()
def _unpack_part(begin: int, stop: int, sums: Array, places: Array, width: int, w: Array, start: int) -> None:
    for k in range(begin, stop):
        at, to = k * width, start + k * len(places)
        for t in range(len(places)):
            w[to + t] = sums[places[t] + at]


@njit_inner()
def pack_blocks(g: Array, start: int, pitch: int, count: int, K: int, packed: Array, R: int) -> None:
    """Channels of `count` pixels to (blocks of R channels, pixel, R): K of them at g[start], g[start + pitch], ...

    Whole registers are copied: what is too much belongs to the next pixel, or to none.
    """
    share(_blocks_part, -(-K // R), 4, (g, start, pitch, count, K, packed, R))


@njit_inner()
def _blocks_part(
    begin: int, stop: int, g: Array, start: int, pitch: int, count: int, K: int, packed: Array, R: int
) -> None:
    lanes = lane_count(g)
    span = -(-R // lanes) * lanes
    safe = (len(g) - span - start) // pitch  # the last pixel of which whole registers can be read
    for k in range(begin * R, min(stop * R, K), R):
        t = k * count
        whole = max(0, min(count - span // R, safe - k // pitch))
        for p in range(whole):
            for r in range(0, R, lanes):
                store(packed, t + p * R + r, load(g, start + p * pitch + k + r))
        for p in range(whole, count):
            for r in range(min(R, K - k)):
                packed[t + p * R + r] = g[start + p * pitch + k + r]
