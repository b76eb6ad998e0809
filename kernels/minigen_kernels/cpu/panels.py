"""The loops of a convolution on channels-last frames: copies to frames and panels, and sums by the tile.

What frames and panels are: ``channels_last.py``. All arrays are flat and contiguous; places, steps and pitches count
numbers of these arrays.

Imports: Numba, ``lanes.py``, ``squares.py``, ``tile.py``. Read next: ``tile.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.lanes import (
    REGISTER_BYTES,
    Lanes,
    _splat,
    intrinsic,
    lane_count,
    load,
    splat,
    store,
    take,
    vector_address,
)
from minigen_kernels.cpu.squares import gather_square, scatter_square
from minigen_kernels.cpu.tile import add_to, multiply, rows_at, rows_from, write, zeros

#: The block of sums: pixels (or weights) times registers of channels. Channels are mostly a power of two.
ROWS, REGISTERS = (8, 2) if REGISTER_BYTES == 64 else (6, 2)

#: What `sum_panels` does with a sum: nothing, add the bias, and then a leaky ReLU with this slope, or a ReLU.
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
        lanes = zero if slope is types.none else _splat(builder, args[1], sums.dtype.count)
        ended = []
        for z in cgutils.unpack_tuple(builder, args[0]):
            other = zero if slope is types.none else builder.fmul(lanes, z)
            ended.append(builder.select(builder.fcmp_ordered("<", z, zero), other, z))
        return context.make_tuple(builder, sums, ended)

    return sums(sums, slope), generate


@njit_cached()
def pack_pixels(
    images: Array, start: int, sample: int, count: int, rows: tuple[int, int], run: int, frame: Array, to: tuple[int, int, int]
) -> None:
    """Copy lines of images whose channels are last: `run` numbers from each line of `count` samples.

    The first line begins at images[start], the next one rows[1] further, rows[0] of them in a sample; a sample is
    `sample` long. In the frame: place of the first line, from line to line, from sample to sample.
    """
    lines, pitch = rows
    lead, step, frame_sample = to
    for n in range(count):
        s, t = start + n * sample, lead + n * frame_sample
        for _ in range(lines):
            for i in range(run):
                frame[t + i] = images[s + i]
            s += pitch
            t += step


@njit_cached()
def pack_planes(
    images: Array, start: int, count: int, planes: int, sample: int, size: int, places: Array, frame: Array, frame_sample: int
) -> None:
    """Copy images whose channels are first: `planes` planes of `size` cells of each of `count` samples.

    Cell j of plane c goes to frame[places[j] + c], none to negative places. Whole registers are written: what is
    beyond the last channel becomes zero, and belongs to a later cell, or to none. So the last channels go first.
    """
    lanes = lane_count(images)
    for n in range(count):
        for j in range(0, size, lanes):
            for c in range((planes - 1) // lanes * lanes, -1, -lanes):
                s = start + n * sample + c * size + j
                scatter_square(images, s, size, planes - c, size - j, frame, n * frame_sample + c, places, j)


@njit_cached()
def pack_weights(
    w: Array, start: int, outer: tuple[int, int, int], count: int, columns: int, places: Array, packed: Array, pitch: int
) -> None:
    """Rows of numbers to panels of REGISTERS registers: row i stands in lane i of its panel, as far as there are rows.

    outer: how many matrices, from one to the next in w and in a panel. Each has `count` rows of `columns` numbers;
    number j of a row goes to places[j] of the panel. From panel to panel it is `pitch`.
    """
    lanes = lane_count(w)
    width = REGISTERS * lanes
    many, step, packed_step = outer
    for o in range(many):
        for i in range(0, count, lanes):
            at = i // width * pitch + i % width + o * packed_step
            for j in range(0, columns, lanes):
                s = start + o * step + i * columns + j
                scatter_square(w, s, columns, count - i, columns - j, packed, at, places, j)


@njit_cached()
def unpack_weights(packed: Array, pitch: int, count: int, columns: int, places: Array, w: Array, start: int) -> None:
    """The inverse of `pack_weights` for one matrix."""
    lanes = lane_count(w)
    width = REGISTERS * lanes
    for i in range(0, count, lanes):
        at = i // width * pitch + i % width
        for j in range(0, columns, lanes):
            gather_square(w, start + i * columns + j, columns, count - i, columns - j, packed, at, places, j)


@njit_cached()
def pack_results_pixels(g: Array, start: int, pitch: int, count: int, K: int, packed: Array) -> None:
    """Channels of `count` pixels to panels (panel, pixel, REGISTERS registers): those at start, start + pitch, ..."""
    lanes = lane_count(g)
    width = REGISTERS * lanes
    nothing = splat(g.dtype.type(0))
    for k in range(0, K, lanes):
        t = k // width * width * count + k % width
        for p in range(count):
            s = start + p * pitch + k
            if k + lanes <= K:
                store(packed, t + p * width, load(g, s))
            else:
                store(packed, t + p * width, take(g, s, 1, 0, K - k, nothing))


@njit_cached()
def pack_results_planes(
    g: Array, start: int, sample: int, count: int, K: int, size: int, places: Array, packed: Array
) -> None:
    """The same from images whose channels are first: `size` cells of K planes of `count` samples."""
    lanes = lane_count(g)
    width = REGISTERS * lanes
    for k in range(0, K, lanes):
        for n in range(count):
            at = (k // width * count + n) * size * width + k % width
            for j in range(0, size, lanes):
                s = start + n * sample + k * size + j
                scatter_square(g, s, size, K - k, size - j, packed, at, places, j)


@njit_cached()
def sum_panels(
    frame: Array,
    places: Array,
    offset: int,
    levels: tuple[int, int, int, int, int],
    weights: Array,
    at: int,
    pitch: int,
    y: Array,
    base: int,
    targets: Array,
    K: int,
    count: int,
    bias: Array,
    end: int,
    slope: float,
) -> None:
    """y[base + targets[p] + k] = end(sum over the terms of frame[places[p] + offset + term] * weights[term, k]).

    For `count` pixels p and K channels k. The terms: levels = (rows, row step, segments, segment step, length), the
    numbers of a segment being neighbours. `weights` are panels, `pitch` long, with the terms in this order from `at` on.
    """
    rows, row_step, segments, segment_step, length = levels
    width = REGISTERS * lane_count(frame)
    part = segments * length * width
    for k in range(0, K, width):
        first = k // width * pitch + at
        for p in range(0, count, ROWS):
            sums = zeros(frame, ROWS, REGISTERS)
            pixels = rows_from(places, p, ROWS)
            for q in range(rows):
                sums = multiply(
                    sums, frame, moved(pixels, offset + q * row_step), weights, first + q * part,
                    segments, length, segment_step, 1, length * width, width,
                )  # fmt: skip
            if end != PLAIN:
                sums = biased(sums, pixels, bias, k)
            if end == LEAKY_RELU:
                sums = rectified(sums, y.dtype.type(slope))
            elif end == RELU:
                sums = rectified(sums, None)
            write(y, moved(rows_from(targets, p, ROWS), base + k), sums, count - p, K - k)


@njit_cached()
def weight_sums(
    frame: Array,
    places: Array,
    steps: tuple[int, int, int],
    results: Array,
    shape: tuple[int, int, int, int],
    chunk: tuple[int, int],
    panels: int,
    sums: Array,
) -> None:
    """sums[panel, t, lane] += sum over n, i, j of frame[places[t] + (n, i, j) @ steps] * results[panel, n, i, j, lane].

    shape (count, N, oh, ow): panels of N samples, of which the first `count` are used. Works through `chunk` samples
    and rows at a time, so that the cells of a few places and a panel of results stay in the cache. The places are a
    multiple of ROWS; sums (panels, places, REGISTERS registers).
    """
    sample_step, row_step, step = steps
    count, N, oh, ow = shape
    some, lines = chunk
    width = REGISTERS * lane_count(frame)
    for n0 in range(0, count, some):
        for i in range(0, oh, lines):
            height = min(lines, oh - i)
            for t in range(0, len(places), ROWS):
                cells = rows_from(places, t, ROWS)
                for panel in range(panels):
                    part = zeros(frame, ROWS, REGISTERS)
                    for n in range(n0, min(n0 + some, count)):
                        part = multiply(
                            part, frame, moved(cells, n * sample_step + i * row_step), results,
                            ((panel * N + n) * oh + i) * ow * width, height, ow, row_step, step, ow * width, width,
                        )  # fmt: skip
                    add_to(sums, rows_at((panel * len(places) + t) * width, width, ROWS), part, ROWS, width)
