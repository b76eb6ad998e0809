"""A convolution in windows, group after group of samples: all of it in one call, which threads share.

What frames and panels are: ``channels_last.py``. A piece of the work is some groups of samples, which have a frame of
their own. A single group is worked on by all threads: they share its copies and sums (``panels.py``,
``window_sums.py``); or if it is less than the weights, a piece is some panels, which are copied when they are needed.
In the gradient in w each piece adds up sums of its own, and these are added in order, if they are small; else all
groups are one piece. Pieces depend on shapes alone.

Imports: Numba, ``lanes.py``, ``layout.py``, ``panels.py``, ``threads.py``, ``window_sums.py``. Read next:
``panels.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="var-annotated, call-arg"

from __future__ import annotations

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import lane_count
from minigen_kernels.cpu.layout import turn_matrices
from minigen_kernels.cpu.panels import pack_blocks, pack_pixels, pack_planes, pack_weights, unpack_weights
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.window_sums import (
    HIGH_REGISTERS,
    PLAIN,
    sum_panels_narrow,
    sum_panels_wide,
    weight_sums_high,
    weight_sums_wide,
)

#: Pieces of the work, at most.
PIECES = 8
#: Pixels that `window_sums._weight_sums` adds at a time: their cells, results and sums fit the first-level cache.
CHUNK = 128
#: No panel has more lanes: what whole registers may read or write beyond the last channel.
MOST_LANES = 64

#: How images are copied to a frame: 1 if their channels are last; numbers of a sample; the first number, the step from
#: line to line, lines, numbers of a line; the first place of the frame, the steps of samples and lines there; channels
#: and pixels of an image.
Packing = tuple[int, int, int, int, int, int, int, int, int, int, int]


@njit_inner()
def pack(images: Array, first: int, count: int, packing: Packing, places: Array, frame: Array) -> None:
    """Copy `count` samples from `first` on to a frame that is zero where no cell of an image is."""
    last, sample, start, step, lines, line, lead, frame_sample, frame_line, planes, size = packing
    if lines == 0 or line == 0:
        return
    if last:
        begin, frame_steps = first * sample + start, (frame_sample, frame_line)
        pack_pixels(images, begin, count, (sample, step), (lines, line), frame, lead, frame_steps)
    else:
        pack_planes(images, first * sample, count, planes, size, places, frame, frame_sample)


@njit_cached()
def sum_groups(
    images: Array, whole: bool, packing: Packing, cells: Array, counts: tuple[int, int, int], parts: Array,
    places: Array, targets: Array, w: Array, panels: Array, outer: tuple[int, int, int], weight_places: Array,
    facts: tuple[int, int, int], b: Array, y: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """The sums of `window_sums._sum_panels` for all samples; all arrays but tables are flat.

    whole: the images are the frame. counts: samples, samples of a group, numbers of a frame. parts (parts, 10): levels,
    where its weights begin, pixels of a sample, where its places begin for a full group and for the last one. panels
    (panels, 7): channels of images before those of its group, first channel of the result, how many, width, where its
    weights begin in w and when packed, where its `weight_places` begin. outer: as in `pack_weights`, without the width.
    facts: terms of a pixel, columns of `pack_weights`, numbers of a sample of y.
    """
    terms, columns, _ = facts
    bias = np.zeros(0 if end == PLAIN else len(b) + MOST_LANES, images.dtype)
    if end != PLAIN:
        for k in range(len(b)):
            bias[k] = b[k]
    samples, groups = counts[0], -(-counts[0] // counts[1])
    if groups == 1 and counts[2] - MOST_LANES <= len(w):
        frame = np.zeros(0 if whole else counts[2], images.dtype)
        if not whole:
            pack(images, 0, samples, packing, cells, frame)
        pixels = images if whole else frame
        for panel in panels:
            share(
                _panel_part, -(-panel[2] // panel[3]), 1,
                (pixels, samples, parts, places, targets, w, panel, outer, weight_places, facts, bias, y, end, slope),
            )  # fmt: skip
        return
    last = panels[len(panels) - 1]
    packed = np.empty(last[5] + -(-last[2] // last[3]) * last[3] * terms, images.dtype)
    for j in range(len(panels)):
        _, _, size, width, start, at, first = to_fixed_tuple(panels[j], 7)
        matrices = (outer[0], outer[1], outer[2] * width)
        there = weight_places[first:]
        pack_weights(w, start, matrices, size, columns, there, packed[at:], terms * width, width)
    share(
        _sum_part, groups, -(-groups // PIECES),
        (images, whole, packing, cells, counts, parts, places, targets, packed, panels, facts, bias, y, end, slope),
    )  # fmt: skip


@njit_inner()
def _panel_part(
    begin: int, stop: int, pixels: Array, samples: int, parts: Array, places: Array, targets: Array, w: Array,
    panel: Array, outer: tuple[int, int, int], weight_places: Array, facts: tuple[int, int, int], bias: Array,
    y: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """Panels begin, ..., stop - 1 of a row of `panels`: what is copied and used at once stays in the second cache."""
    terms, columns, _ = facts
    channel, first, many, width, start, _, there = to_fixed_tuple(panel, 7)
    packed = np.empty(width * terms, pixels.dtype)
    for q in range(begin, stop):
        k, size = first + q * width, min(width, many - q * width)
        matrices = (outer[0], outer[1], outer[2] * width)
        pack_weights(
            w, start + q * width * columns, matrices, size, columns, weight_places[there:], packed, terms * width, width
        )
        _sum_parts(
            pixels[channel:], parts, samples, True, places, targets, packed, width, terms * width, y[k:], size,
            bias[min(k, len(bias)) :], end, slope,
        )  # fmt: skip


@njit_inner()
def _sum_parts(
    pixels: Array, parts: Array, samples: int, full: bool, places: Array, targets: Array, packed: Array, width: int,
    pitch: int, y: Array, many: int, bias: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """All parts of the result, in `many` channels. full: whether there are as many samples as in most groups."""
    for i in range(len(parts)):
        q0, q1, q2, q3, q4, q5, at, size, usual, rest = to_fixed_tuple(parts[i], 10)
        spot = usual if full else rest
        args = (
            pixels, places[spot:], (q0, q1, q2, q3, q4, q5), packed, at * width, pitch, y, targets[spot:], many,
            size * samples, bias, end, slope,
        )  # fmt: skip
        if width > lane_count(pixels):
            sum_panels_wide(*args)
        else:
            sum_panels_narrow(*args)


@njit_inner()
def _sum_part(
    begin: int, stop: int, images: Array, whole: bool, packing: Packing, cells: Array, counts: tuple[int, int, int],
    parts: Array, places: Array, targets: Array, packed: Array, panels: Array, facts: tuple[int, int, int],
    bias: Array, y: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """Groups begin, ..., stop - 1."""
    N, samples, frame_size = counts
    terms, _, y_sample = facts
    frame = np.zeros(0 if whole else frame_size, images.dtype)
    for first in range(begin * samples, min(stop * samples, N), samples):
        count = min(samples, N - first)
        if not whole:
            pack(images, first, count, packing, cells, frame)
        pixels = images[first * packing[1] :] if whole else frame  # under a name of its own: images may be read-only
        for j in range(len(panels)):
            channel, k, many, width, _, at, _ = to_fixed_tuple(panels[j], 7)
            _sum_parts(
                pixels[channel:], parts, count, count == samples, places, targets, packed[at:], width, terms * width,
                y[first * y_sample + k :], many, bias[min(k, len(bias)) :], end, slope,
            )  # fmt: skip


@njit_cached()
def weight_groups(
    images: Array, packing: Packing, cells: Array, counts: tuple[int, int, int, int], places: Array, sources: Array,
    lane: Array, g: Array, g_last: bool, facts: tuple[int, int, int, int, int, int, int], line: tuple[int, int],
    order: Array, gw: Array,
) -> None:  # fmt: skip
    """The gradient in w: sums of `window_sums._weight_sums` for all samples, to gw; all arrays but tables are flat.

    counts: samples, samples of a group, numbers of a frame, pieces. facts: groups of channels, channels of images and
    of results in each, pixels of a sample, rows of a block, numbers of sums in a group, whether results are read where
    they lie. line: pixels of a sample, or 0 where cells are copied first, and pixels of a line. g_last: whether the
    channels of g are last.
    """
    N, samples, _, pieces = counts
    groups, _, Kg, _, high, size, _ = facts
    sums = np.empty(pieces * groups * size, images.dtype)
    many = -(-N // samples)
    args = (images, packing, cells, counts, places, sources, lane, g, g_last, facts, line, sums)
    share(_weight_part, pieces, 1, args)
    total = sums[: groups * size]
    for piece in range(1, -(-many // -(-many // pieces))):
        more = sums[piece * groups * size :]
        for i in range(groups * size):
            total[i] += more[i]
    width = size // (len(sources) * -(-Kg // high) * high)
    for group in range(groups):
        unpack_weights(total[group * size :], Kg, order, width, gw, group * Kg * len(order))


@njit_inner()
def _weight_part(
    begin: int, stop: int, images: Array, packing: Packing, cells: Array, counts: tuple[int, int, int, int],
    places: Array, sources: Array, lane: Array, g: Array, g_last: bool,
    facts: tuple[int, int, int, int, int, int, int], line: tuple[int, int], sums: Array,
) -> None:  # fmt: skip
    """Pieces begin, ..., stop - 1."""
    N, samples, frame_size, pieces = counts
    groups, Cg, Kg, pixels, high, size, direct = facts
    K = groups * Kg
    width = size // (len(sources) * -(-Kg // high) * high)
    frame = np.zeros(frame_size, images.dtype)
    turned = np.empty(0 if g_last else samples * pixels * K, images.dtype)
    packed = np.empty(0 if direct else -(-Kg // high) * high * samples * pixels, images.dtype)
    many = -(-N // samples)
    some = -(-many // pieces) * samples
    for piece in range(begin, stop):
        for first in range(piece * some, min((piece + 1) * some, N), samples):
            count = min(samples, N - first)
            pack(images, first, count, packing, cells, frame)
            g_flat = g[first * pixels * K : (first + count) * pixels * K]
            if not g_last:
                turn_matrices(count, g_flat, K, pixels, turned)
                g_flat = turned[: count * pixels * K]
            for group in range(groups):
                results, g_steps = g_flat[group * Kg :], (high, K)
                if not direct:
                    pack_blocks(g_flat, group * Kg, K, count * pixels, Kg, packed, high)
                    results, g_steps = packed, (count * pixels * high, high)
                args = (
                    frame[group * Cg :], places, sources, lane, results, g_steps, count * pixels, CHUNK, Kg,
                    sums[(piece * groups + group) * size :], first > piece * some,
                )  # fmt: skip
                if width == HIGH_REGISTERS * lane_count(images):  # with AVX-512 both kinds have as many rows
                    weight_sums_high(*args)
                else:
                    weight_sums_wide(*args, line)
