"""The sums of convolutions in windows: blocks of pixels and channels, and of channels and weights, kept in registers.

What frames and panels are: ``channels_last.py``. All arrays are flat and contiguous; places, steps and pitches count
numbers of these arrays. Threads share the pixels of a result, and the weights of a gradient: no sum is divided.

Imports: Numba and llvmlite, ``lanes.py``, ``threads.py``, ``tile.py``. Read next: ``tile.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_inner
from minigen_kernels.cpu.lanes import (
    REGISTER_BYTES,
    Lanes,
    intrinsic,
    lane_count,
    load,
    splat_value,
    store,
    vector_address,
)
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import add_to, multiply, rows_at, rows_from, write, zeros

#: The blocks of sums: pixels times registers of channels, for many channels and for few; and, for the gradient in w,
#: channels times registers of weights, of which the one that fits better is used.
HIGH_ROWS, HIGH_REGISTERS = (8, 2) if REGISTER_BYTES == 64 else (6, 2)
WIDE_ROWS, WIDE_REGISTERS = (8, 3) if REGISTER_BYTES == 64 else (4, 3)
NARROW_ROWS = 10
#: Pixels that meet all panels of weights before the next ones: a multiple of all rows above.
PIXELS = 120
#: Multiplications of a piece of the work: some ten microseconds.
PIECE = 1 << 19

#: What `_sum_panels` does with a sum: nothing, add the bias, and then a leaky ReLU with this slope, or a ReLU.
PLAIN, BIAS, LEAKY_RELU, RELU = range(4)


@intrinsic
def moved(typing_context: Any, rows: Any, by: Any) -> Any:
    """``moved(rows, by)``: all places of a tuple, so much further on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = [builder.add(place, args[1]) for place in cgutils.unpack_tuple(builder, args[0])]
        return context.make_tuple(builder, rows, places)

    return rows(rows, types.intp), generate


@intrinsic
def biased(typing_context: Any, sums: Any, rows: Any, bias: Any, k: Any) -> Any:
    """``biased(sums, rows, bias, k)``: add bias[k], bias[k + 1], ... to each row of a block of sums."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        totals = cgutils.unpack_tuple(builder, args[0])
        V, n, shifts = len(totals) // rows.count, Lanes(bias.dtype).count, []
        for v in range(V):
            shifts.append(builder.load(vector_address(context, builder, bias, args[2], args[3], v * n)))
            shifts[v].align = bias.dtype.bitwidth // 8
        return context.make_tuple(builder, sums, [builder.fadd(z, shifts[i % V]) for i, z in enumerate(totals)])

    return sums(sums, rows, bias, types.intp), generate


@intrinsic
def rectified(typing_context: Any, sums: Any, slope: Any) -> Any:
    """``rectified(sums, slope)``: slope * z where z < 0, else z; without a slope (None) zero. A NaN stays one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(context.get_value_type(sums.dtype), None)
        lanes = zero if slope is types.none else splat_value(builder, args[1], sums.dtype.count)
        ended = []
        for z in cgutils.unpack_tuple(builder, args[0]):
            other = zero if slope is types.none else builder.fmul(lanes, z)
            ended.append(builder.select(builder.fcmp_ordered("<", z, zero), other, z))
        return context.make_tuple(builder, sums, ended)

    return sums(sums, slope), generate


@njit_inner(inline="always")
def _sum_panels(
    begin: int,
    stop: int,
    frame: Array,
    places: Array,
    levels: tuple[int, int, int, int, int, int],
    weights: Array,
    at: int,
    pitch: int,
    y: Array,
    targets: Array,
    K: int,
    count: int,
    channels: int,
    bias: Array,
    end: int,
    slope: float,
    R: int,
    V: int,
) -> None:
    """y[targets[p] + k] = end(sum over the terms of frame[places[p] + term] * weights[term, k]).

    For `count` pixels p and K channels k, in pieces (pixels, panels of channels), numbered with the panels first, from
    `begin` to `stop` - 1. The terms: levels = (first, rows, row step, segments, segment step, length), the numbers of a
    segment being neighbours. `weights`: panels of V registers, `pitch` long, with the terms in this order from `at` on.
    """
    offset, rows, row_step, segments, segment_step, length = levels
    width = V * lane_count(frame)
    part = segments * length * width
    across = -(-K // channels)
    for some in range(begin, stop):
        top, left = some // across * PIXELS, some % across * channels
        for k in range(left, min(left + channels, K), width):
            first = k // width * pitch + at
            for p in range(top, min(top + PIXELS, count), R):
                sums = zeros(frame, R, V)
                cells = rows_from(places, p, R)
                for q in range(rows):
                    sums = multiply(
                        sums, frame, moved(cells, offset + q * row_step), weights, first + q * part,
                        segments, length, segment_step, 1, length * width, width,
                    )  # fmt: skip
                if end != PLAIN:
                    sums = biased(sums, cells, bias, k)
                if end == LEAKY_RELU:
                    sums = rectified(sums, y.dtype.type(slope))
                elif end == RELU:
                    sums = rectified(sums, None)
                write(y, moved(rows_from(targets, p, R), k), sums, count - p, K - k)


@njit_inner()
def _pieces(levels: tuple[int, int, int, int, int, int], count: int, K: int, width: int) -> tuple[int, int, int]:
    """The channels of a piece, how many pieces there are, and how many are done at once."""
    work = PIXELS * width * levels[1] * levels[3] * levels[5]  # of some pixels and a panel
    panels = min(-(-K // width), 1 + PIECE // work)
    return panels * width, -(-count // PIXELS) * -(-K // (panels * width)), 1 + PIECE // (panels * work)


@njit_inner()
def _wide_part(
    begin: int, stop: int, frame: Array, places: Array, levels: tuple[int, int, int, int, int, int], weights: Array,
    at: int, pitch: int, y: Array, targets: Array, K: int, count: int,
    channels: int, bias: Array, end: int, slope: float,
) -> None:  # fmt: skip
    _sum_panels(
        begin, stop, frame, places, levels, weights, at, pitch, y, targets, K, count, channels, bias, end, slope,
        HIGH_ROWS, HIGH_REGISTERS,
    )  # fmt: skip


@njit_inner()
def sum_panels_wide(
    frame: Array, places: Array, levels: tuple[int, int, int, int, int, int], weights: Array, at: int, pitch: int,
    y: Array, targets: Array, K: int, count: int, bias: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """`_sum_panels` for `count` pixels in blocks of HIGH_ROWS pixels and HIGH_REGISTERS registers of channels."""
    width = HIGH_REGISTERS * lane_count(frame)
    channels, pieces, at_once = _pieces(levels, count, K, width)
    args = (frame, places, levels, weights, at, pitch, y, targets, K, count, channels, bias, end, slope)
    share(_wide_part, pieces, at_once, args)


@njit_inner()
def _narrow_part(
    begin: int, stop: int, frame: Array, places: Array, levels: tuple[int, int, int, int, int, int], weights: Array,
    at: int, pitch: int, y: Array, targets: Array, K: int, count: int,
    channels: int, bias: Array, end: int, slope: float,
) -> None:  # fmt: skip
    _sum_panels(
        begin, stop, frame, places, levels, weights, at, pitch, y, targets, K, count, channels, bias, end, slope,
        NARROW_ROWS, 1,
    )  # fmt: skip


@njit_inner()
def sum_panels_narrow(
    frame: Array, places: Array, levels: tuple[int, int, int, int, int, int], weights: Array, at: int, pitch: int,
    y: Array, targets: Array, K: int, count: int, bias: Array, end: int, slope: float,
) -> None:  # fmt: skip
    """`_sum_panels` for `count` pixels in blocks of NARROW_ROWS pixels and one register of channels."""
    width = lane_count(frame)
    channels, pieces, at_once = _pieces(levels, count, K, width)
    args = (frame, places, levels, weights, at, pitch, y, targets, K, count, channels, bias, end, slope)
    share(_narrow_part, pieces, at_once, args)


@njit_inner(inline="always")
def _weight_sums(
    begin: int,
    stop: int,
    frame: Array,
    places: Array,
    sources: Array,
    lane: Array,
    g: Array,
    g_steps: tuple[int, int],
    count: int,
    chunk: int,
    K: int,
    sums: Array,
    more: bool,
    R: int,
    V: int,
) -> None:
    """sums[q, k, weight] = (itself if `more`) + sum over p of g[k, p] * frame[places[p] + place of the weight].

    For blocks q of weights from `begin` to `stop` - 1 and `count` pixels p, `chunk` at a time: the cells that a block
    meets are copied, side by side, to the first-level cache, where all channels k meet them. A pixel's cells are
    several registers, which may overlap: from sources[q, i] on in the frame to lane[i] on. sums (blocks, K rounded up
    to R, V registers). g_steps: from R channels, which are neighbours, to the next R, and from pixel to pixel.
    """
    lanes = lane_count(frame)
    width, high = V * lanes, -(-K // R) * R
    pitch = width if lane[-1] + lanes <= width else width + lanes  # room for what the last register has too much
    met = np.empty(chunk * pitch, frame.dtype)
    for q in range(begin, stop):
        for first in range(0, count, chunk):
            length = min(chunk, count - first)
            here = places[first : first + length]  # an index from 0 on is not checked for being negative
            for i in range(len(lane)):
                source, to = sources[q, i], lane[i]
                for p in range(length):
                    store(met, p * pitch + to, load(frame, here[p] + source))
            for k in range(0, K, R):
                rows = rows_at(k // R * g_steps[0] + first * g_steps[1], 1, R)
                part = multiply(zeros(frame, R, V), g, rows, met, 0, 1, length, 0, g_steps[1], 0, pitch)
                block = rows_at((q * high + k) * width, width, R)
                if more or first > 0:
                    add_to(sums, block, part, R, width)
                else:
                    write(sums, block, part, R, width)


@njit_inner(inline="always")
def _weight_sums_in_place(
    begin: int, stop: int, frame: Array, places: Array, sources: Array, line: tuple[int, int], g: Array,
    g_steps: tuple[int, int], count: int, chunk: int, K: int, sums: Array, more: bool, R: int, V: int,
) -> None:  # fmt: skip
    """`_weight_sums` for few channels k, which meet too few copies: cells are multiplied where they lie.

    line: pixels of a sample, and of a line of it. The registers of a block are neighbours, from sources[q, 0] on; at
    least `chunk` pixels, whole samples, are added in registers.
    """
    pixels, across = line
    down, step = places[min(across, pixels - 1)] - places[0], places[min(1, across - 1)] - places[0]
    width, high = V * lane_count(frame), -(-K // R) * R
    together = -(-chunk // pixels) * pixels
    for q in range(begin, stop):
        for k in range(0, K, R):
            block = rows_at((q * high + k) * width, width, R)
            for top in range(0, count, together):
                part = zeros(frame, R, V)
                for first in range(top, min(top + together, count), pixels):
                    part = multiply(
                        part, g, rows_at(k // R * g_steps[0] + first * g_steps[1], 1, R), frame,
                        places[first] + sources[q, 0], pixels // across, across, across * g_steps[1], g_steps[1],
                        down, step,
                    )  # fmt: skip
                if more or top > 0:
                    add_to(sums, block, part, R, width)
                else:
                    write(sums, block, part, R, width)


@njit_inner()
def _weights_high_part(
    begin: int, stop: int, frame: Array, places: Array, sources: Array, lane: Array, g: Array,
    g_steps: tuple[int, int], count: int, chunk: int, K: int, sums: Array, more: bool,
) -> None:  # fmt: skip
    _weight_sums(
        begin, stop, frame, places, sources, lane, g, g_steps, count, chunk, K, sums, more, HIGH_ROWS, HIGH_REGISTERS
    )


@njit_inner()
def weight_sums_high(
    frame: Array, places: Array, sources: Array, lane: Array, g: Array, g_steps: tuple[int, int], count: int,
    chunk: int, K: int, sums: Array, more: bool,
) -> None:  # fmt: skip
    """`_weight_sums` in blocks of HIGH_ROWS channels and HIGH_REGISTERS registers of weights."""
    args = (frame, places, sources, lane, g, g_steps, count, chunk, K, sums, more)
    share(_weights_high_part, len(sources), 1, args)


@njit_inner()
def _weights_wide_part(
    begin: int, stop: int, frame: Array, places: Array, sources: Array, lane: Array, g: Array,
    g_steps: tuple[int, int], count: int, chunk: int, K: int, sums: Array, more: bool, line: tuple[int, int],
) -> None:  # fmt: skip
    if line[0]:
        _weight_sums_in_place(
            begin, stop, frame, places, sources, line, g, g_steps, count, chunk, K, sums, more, WIDE_ROWS,
            WIDE_REGISTERS,
        )  # fmt: skip
    else:
        _weight_sums(
            begin, stop, frame, places, sources, lane, g, g_steps, count, chunk, K, sums, more, WIDE_ROWS,
            WIDE_REGISTERS,
        )  # fmt: skip


@njit_inner()
def weight_sums_wide(
    frame: Array, places: Array, sources: Array, lane: Array, g: Array,
    g_steps: tuple[int, int], count: int, chunk: int, K: int, sums: Array, more: bool, line: tuple[int, int],
) -> None:  # fmt: skip
    """`_weight_sums`, in place or not, in blocks of WIDE_ROWS channels and WIDE_REGISTERS registers of weights."""
    args = (frame, places, sources, lane, g, g_steps, count, chunk, K, sums, more, line)
    share(_weights_wide_part, len(sources), 1, args)
