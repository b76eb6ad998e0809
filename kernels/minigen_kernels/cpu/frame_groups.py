"""The sums of a convolution in frames, group after group of samples: all of it in one call, which threads share.

What frames and taps are: ``frame.py``. A piece of the work is some groups of samples, which have a frame of their own;
a single group is worked on by all threads, which share its copies and sums (``taps.py``). Pieces depend on shapes
alone.

Imports: Numba, ``layout.py``, ``taps.py``, ``threads.py``. Read next: ``taps.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="var-annotated, call-arg"

from __future__ import annotations

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.layout import turn_matrices
from minigen_kernels.cpu.taps import pack, pack_interleaved, sum_of_taps, sum_of_taps_single, unpack, unpack_interleaved
from minigen_kernels.cpu.threads import share

#: Pieces of the work, at most.
PIECES = 8

Facts = tuple[int, int, int, int, int, int, int]


@njit_cached()
def sum_frames(
    images: Array, last: bool, facts: Facts, pitches: tuple[int, int],
    cell_places: Array, phases: Array, parts: Array, offsets: Array, starts: Array, weights: Array,
    result_places: Array, y: Array,
) -> None:  # fmt: skip
    """All sums over taps of all samples: images (N, C, H, W), or if `last` (N, H, W, C) -> y (N, K, oh, ow).

    facts: samples of a group, groups of channels; planes of cells, places of a plane, and numbers beyond the last; rows
    and places of sums. pitches: of strips and lines. phases (phases, 7): rows, columns and the first place. parts
    (parts, 15): place of the sums; where offsets begin, how many; where starts begin and how many, for a full group and
    for the last one; taps at once; where weights begin; rows, columns of the result. weights: flat if each group of
    channels has a single result, else (., 4). cell_places, result_places: of interleaved samples (strips, .), else
    flat and empty. How many axes an array has is known when the kernel is compiled: it has no code for the other case.
    """
    groups = -(-len(y) // facts[0])
    args = (images, last, facts, pitches, cell_places, phases, parts, offsets, starts, weights, result_places, y)
    share(_frames_part, groups, -(-groups // PIECES), args)


@njit_inner()
def _frames_part(
    begin: int, stop: int, images: Array, last: bool, facts: Facts,
    pitches: tuple[int, int], cell_places: Array, phases: Array, parts: Array, offsets: Array, starts: Array,
    weights: Array, result_places: Array, y: Array,
) -> None:  # fmt: skip
    """Groups begin, ..., stop - 1."""
    samples, groups, planes, places, slack, rows, width = facts
    (strip_pitch, pitch), many = pitches, len(phases)
    N, C, H, W = images.shape
    if last:
        N, H, W, C = images.shape
    size = groups * planes * places
    cells = np.zeros(size + slack, images.dtype)[:size].reshape(groups, planes, places)
    sums = np.zeros((groups, rows, width), images.dtype)
    turned = np.empty((samples if last else 0, C, H, W), images.dtype)
    for first in range(begin * samples, min(stop * samples, N), samples):
        count, source, at = min(samples, N - first), images, first
        if last:
            turn_matrices(count, images[first:].reshape(-1), H * W, C, turned.reshape(-1))
            source, at = turned, 0
        if cell_places.ndim == 2:
            pack_interleaved(source, at, count, cell_places, many, cells)
        else:
            for phase in range(many):
                r0, r1, r2, c0, c1, c2, lead = to_fixed_tuple(phases[phase], 7)
                layout = (strip_pitch, pitch, lead, phase, many)
                pack(source, at, count, (r0, r1, r2), (c0, c1, c2), cells, layout)
        for i in range(len(parts)):
            _sum_up(count == samples, cells, parts[i, :9], offsets, starts, weights, sums)
        if result_places.ndim == 2:
            unpack_interleaved(sums, y, first, count, result_places)
        else:
            for i in range(len(parts)):
                r0, r1, r2, c0, c1, c2 = to_fixed_tuple(parts[i, 9:], 6)
                unpack(sums, y, first, count, (r0, r1, r2), (c0, c1, c2), (strip_pitch, pitch, parts[i, 0], 0, 1))


@njit_inner()
def _sum_up(full: bool, cells: Array, part: Array, offsets: Array, starts: Array, weights: Array, sums: Array) -> None:
    """The sums of a part, for a full group or the last one."""
    at, first, T, start, many, rest, few, at_once, begin = to_fixed_tuple(part, 9)
    groups, rows, _ = sums.shape
    taps = offsets[first : first + T]
    registers = starts[start : start + many] if full else starts[rest : rest + few]
    if weights.ndim == 1:
        factors = weights[begin : begin + groups * T].reshape(groups, T)
        sum_of_taps_single(cells, taps, factors, sums, at, registers, at_once)
    else:
        count = groups * (rows // 4) * T
        blocks = weights[begin // 4 : begin // 4 + count].reshape(groups, rows // 4, T, 4)
        sum_of_taps(cells, taps, blocks, sums, at, registers, at_once)
