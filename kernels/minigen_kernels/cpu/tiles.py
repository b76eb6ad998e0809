"""The loops of a convolution by minimal filters: transforms of tiles, and the products between them.

What tiles and positions are: ``winograd.py``. Images are (N, H, W, C), contiguous; a *phase* of an image is every
step-th cell from a start on, which may lie outside, where zeros are. Tile number t has m x m results; it stands at row
and column t of the grid of tiles of its sample, times m. Transformed tiles are stored (position, tile, channel), from
one position to the next `pitch` numbers, an odd number of cache lines: the positions of a tile, written together, would
else meet in the same lines of the cache.

The work is shared by threads: groups of tiles, each with its own memory, where results are wanted; where sums over all
tiles are wanted, first the tiles of a group, then the positions.

Imports: Numba, ``threads.py``, ``tile.py``, ``transform.py``. Read next: ``transform.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import lane_count, load, splat
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import REGISTERS, ROWS, add_to, multiply, prefetch, rows_at, write, zeros
from minigen_kernels.cpu.transform import (
    address_of,
    gradient_tile,
    image_tile,
    kernel_tile,
    result_tile,
    taps_tile,
)

PIECE = 8  # channels of a kernel, or tiles, that a thread takes at a time

Form = tuple[tuple[int, ...], tuple[int, ...]]  # m numbers and r numbers: F(m x m, r x r)


@njit_cached()
def transform_kernels(
    w: Array, channel: int, wide: int, taps_at: Array, nothing: Array, form: Form, kernels: Array
) -> None:
    """w (C, kh, kw, K) -> kernels (positions, pitch): (panels, phases * C, width of a panel) for each position.

    Of the K channels those from `channel` on, `wide` of them, a multiple of the width of a panel.
    Tap (u, v) of phase p is (row + u * row step, column + v * column step), or zero if that is outside;
    taps_at (phases, 4) are these numbers. nothing (K,): zeros.
    """
    share(_kernels_part, w.shape[0], PIECE, (w, channel, wide, taps_at, nothing, form, kernels))


@njit_inner()
def _kernels_part(
    first: int, last: int, w: Array, channel: int, wide: int, taps_at: Array, nothing: Array, form: Form, kernels: Array
) -> None:
    """Channels first, ..., last - 1."""
    results, taps = form
    C, positions = w.shape[0], len(kernels)
    source, r = w.reshape(-1), len(taps)
    lanes, terms = lane_count(source), len(taps_at) * C
    width = REGISTERS * lanes
    cells, places = np.empty(r * r, np.intp), np.empty(positions, np.intp)
    _find_places(kernels.reshape(-1), 0, kernels.shape[1], places)
    for phase in range(len(taps_at)):
        for c in range(first, last):
            _find_taps(w, c, taps_at[phase], r, nothing, cells)
            for k in range(0, wide, lanes):
                panel, lane = divmod(k, width)
                to = (panel * terms + phase * C + c) * width + lane
                kernel_tile(source, results, taps, cells, channel + k, places, to)


@njit_inner()
def _find_taps(w: Array, c: int, taps_at: Array, r: int, nothing: Array, places: Array) -> None:
    """The addresses of the taps of channel c in w (C, kh, kw, wide); of `nothing` for those outside."""
    _, kh, kw, wide = w.shape
    for u in range(r):
        for v in range(r):
            i, j = taps_at[0] + u * taps_at[2], taps_at[1] + v * taps_at[3]
            if i < kh and j < kw:
                places[u * r + v] = address_of(w.reshape(-1), ((c * kh + i) * kw + j) * wide)
            else:
                places[u * r + v] = address_of(nothing, 0)


@njit_inner()
def _find_cells(x: Array, n: int, top: int, left: int, step: Pair, size: int, outside: int, cells: Array) -> None:
    """The addresses of size * size cells of sample n of x (N, H, W, C); `outside` for those outside the image."""
    _, H, W, C = x.shape
    flat = x.reshape(-1)
    for i in range(size):
        a = top + i * step[0]
        for j in range(size):
            b = left + j * step[1]
            inside = 0 <= a < H and 0 <= b < W
            cells[i * size + j] = address_of(flat, ((n * H + a) * W + b) * C) if inside else outside


@njit_inner()
def _find_places(array: Array, at: int, pitch: int, places: Array) -> None:
    """The addresses of array[at], array[at + pitch], ..."""
    for position in range(len(places)):
        places[position] = address_of(array, at + position * pitch)


@njit_inner()
def _find_tile(t: int, grid: Pair, m: int) -> tuple[int, int, int]:
    """Sample, row and column of the first result of tile t."""
    line, column = divmod(t, grid[1])
    n, row = divmod(line, grid[0])
    return n, row * m, column * m


@njit_inner()
def _transform_image(
    x: Array, t: int, grid: Pair, starts: Array, step: Pair, nothing: Array, form: Form, image: Array, at: int,
    pitch: int, cells: Array, places: Array,
) -> None:  # fmt: skip
    """All phases of tile t, to image[at + position * pitch + phase * C + c]. cells and places: room for addresses."""
    results, taps = form
    C, size = x.shape[3], len(results) + len(taps) - 1
    n, row, column = _find_tile(t, grid, len(results))
    for phase in range(len(starts)):
        top, left = row * step[0] + starts[phase, 0], column * step[1] + starts[phase, 1]
        _find_cells(x, n, top, left, step, size, address_of(nothing, 0), cells)
        _find_places(image, at + phase * C, pitch, places)
        lanes = lane_count(image)
        for c in range(0, C, lanes):
            c = min(c, C - lanes)  # the last register overlaps the one before
            image_tile(image, results, taps, cells, c, places, c)


@njit_cached()
def filter_tiles(
    x: Array,
    starts: Array,
    step: Pair,
    nothing: Array,
    kernels: Array,
    y: Array,
    start: Pair,
    stride: Pair,
    count: Pair,
    channel: int,
    bias: Array,
    slope: float,
    form: Form,
    group: int,
    pitches: Pair,
) -> None:
    """x (N, H, W, C), kernels (positions, pitch) -> some results of y (N, oh, ow, K).

    starts (phases, 2) and step: the phases of x; start, stride and count: the results, of channels from `channel` on,
    as many as bias has. group: tiles, a multiple of ROWS; pitches: of their images and their results. Where a result is
    negative it is multiplied by the slope, or becomes 0 for slope 0.
    """
    m = len(form[0])
    grid = (-(-count[0] // m), -(-count[1] // m))
    tiles = x.shape[0] * grid[0] * grid[1]
    share(
        _filter_part, tiles, group,
        (x, starts, step, nothing, kernels, y, start, stride, grid, channel, bias, slope, form, pitches),
    )  # fmt: skip


@njit_inner()
def _filter_part(
    first: int, last: int, x: Array, starts: Array, step: Pair, nothing: Array, kernels: Array, y: Array, start: Pair,
    stride: Pair, grid: Pair, channel: int, bias: Array, slope: float, form: Form, pitches: Pair,
) -> None:  # fmt: skip
    """Tiles first, ..., last - 1."""
    results, taps = form
    K, m, positions, terms = len(bias), len(results), len(kernels), len(starts) * x.shape[3]
    lanes = lane_count(bias)
    width = REGISTERS * lanes
    panels = -(-K // width)
    wide = panels * width
    pitch, sums_pitch = pitches
    image, sums = np.empty(positions * pitch, x.dtype), np.empty(positions * sums_pitch + channel + K, x.dtype)
    cells, places = np.empty(positions, np.intp), np.empty(positions, np.intp)
    for t in range(first, last):
        _transform_image(x, t, grid, starts, step, nothing, form, image, (t - first) * terms, pitch, cells, places)
    flat = kernels.reshape(-1)
    for position in range(positions):
        for panel in range(panels):
            for t in range(0, last - first, ROWS):
                block = zeros(sums, ROWS, REGISTERS)
                rows = rows_at(position * pitch + t * terms, terms, ROWS)
                at = position * kernels.shape[1] + panel * terms * width
                block = multiply(block, image, rows, flat, at, 1, terms, 0, 1, 0, width)
                write(sums, rows_at(position * sums_pitch + t * wide + panel * width, wide, ROWS), block, ROWS, width)
    factor, keep = splat(x.dtype.type(slope)), slope != 0
    outside = address_of(sums, positions * sums_pitch)
    for t in range(first, last):
        _find_places(sums, (t - first) * wide, sums_pitch, places)
        n, row, column = _find_tile(t, grid, m)
        _find_cells(y, n, row * stride[0] + start[0], column * stride[1] + start[1], stride, m, outside, cells)
        for k in range(0, K, lanes):
            k = min(k, K - lanes)
            result_tile(sums, results, taps, places, k, cells, channel + k, load(bias, k), factor, keep)


@njit_cached()
def sum_tiles(
    x: Array,
    starts: Array,
    step: Pair,
    nothing: Array,
    g: Array,
    channel: int,
    wide: int,
    form: Form,
    group: int,
    pitches: tuple[int, int, int],
    products: Array,
) -> None:
    """x (N, H, W, C), g (N, oh, ow, K) -> products (positions, pitch): (phases * C, wide) for each position.

    Of the K channels those from `channel` on, `wide` of them, a multiple of the width of a panel. starts, step and
    group: as in `filter_tiles`; pitches: of images, of gradients, and from one tile of an image to the next.
    """
    m, positions, terms = len(form[0]), len(products), len(starts) * x.shape[3]
    grid = (-(-g.shape[1] // m), -(-g.shape[2] // m))
    tiles = x.shape[0] * grid[0] * grid[1]
    pitch, gradient_pitch, tile_pitch = pitches
    # The last rows of a block may lie beyond the last number.
    image = np.zeros(positions * pitch + ROWS, x.dtype)
    gradients = np.empty(positions * gradient_pitch, x.dtype)
    for first in range(0, tiles, group):
        count = min(group, tiles - first)
        share(
            _transform_part, count, PIECE,
            (x, starts, step, nothing, g, channel, wide, grid, form, group, first, image, pitch, tile_pitch,
             gradients, gradient_pitch),
        )  # fmt: skip
        share(
            _products_part, positions, 1,
            (first == 0, count, group, terms, wide, image, pitch, tile_pitch, gradients, gradient_pitch, products),
        )  # fmt: skip


@njit_inner()
def _transform_part(
    begin: int, end: int, x: Array, starts: Array, step: Pair, nothing: Array, g: Array, channel: int, wide: int,
    grid: Pair, form: Form, group: int, first: int, image: Array, pitch: int, tile_pitch: int, gradients: Array,
    gradient_pitch: int,
) -> None:  # fmt: skip
    """Tiles begin, ..., end - 1 of the group: its images and the gradients of its results."""
    results, taps = form
    m = len(results)
    positions, lanes = (m + len(taps) - 1) ** 2, lane_count(image)
    width = REGISTERS * lanes
    cells, places = np.empty(positions, np.intp), np.empty(positions, np.intp)
    for t in range(begin, end):
        _transform_image(x, first + t, grid, starts, step, nothing, form, image, t * tile_pitch, pitch, cells, places)
        n, row, column = _find_tile(first + t, grid, m)
        _find_cells(g, n, row, column, (1, 1), m, address_of(nothing, 0), cells)
        _find_places(gradients, t * width, gradient_pitch, places)
        for k in range(0, wide, lanes):
            panel, lane = divmod(k, width)
            gradient_tile(gradients, results, taps, cells, channel + k, places, panel * group * width + lane)


@njit_inner()
def _products_part(
    begin: int, end: int, fresh: bool, count: int, group: int, terms: int, wide: int, image: Array, pitch: int,
    tile_pitch: int, gradients: Array, gradient_pitch: int, products: Array,
) -> None:  # fmt: skip
    """Positions begin, ..., end - 1: add the products of `count` tiles to the sums, if they are not fresh."""
    flat, width = products.reshape(-1), REGISTERS * lane_count(image)
    for position in range(begin, end):
        for panel in range(wide // width):
            at = position * gradient_pitch + panel * group * width
            for c in range(0, terms, ROWS):
                to = position * products.shape[1] + c * wide + panel * width
                for row in range(ROWS):
                    prefetch(flat, to + row * wide)
                block = zeros(image, ROWS, REGISTERS)
                rows = rows_at(position * pitch + c, 1, ROWS)
                block = multiply(block, image, rows, gradients, at, 1, count, 0, tile_pitch, 0, width)
                if fresh:
                    write(flat, rows_at(to, wide, ROWS), block, terms - c, width)
                else:
                    add_to(flat, rows_at(to, wide, ROWS), block, terms - c, width)


@njit_cached()
def transform_products(
    products: Array, channel: int, wide: int, taps_at: Array, outside: Array, form: Form, gw: Array
) -> None:
    """products, as in `sum_tiles` -> some channels of gw (C, kh, kw, K). taps_at: as in `transform_kernels`."""
    share(_taps_part, gw.shape[0], PIECE, (products, channel, wide, taps_at, outside, form, gw))


@njit_inner()
def _taps_part(
    first: int, last: int, products: Array, channel: int, wide: int, taps_at: Array, outside: Array, form: Form,
    gw: Array,
) -> None:  # fmt: skip
    """Channels first, ..., last - 1."""
    results, taps = form
    C = gw.shape[0]
    source, r = products.reshape(-1), len(taps)
    cells, places = np.empty(len(products), np.intp), np.empty(r * r, np.intp)
    for phase in range(len(taps_at)):
        for c in range(first, last):
            _find_places(source, (phase * C + c) * wide, products.shape[1], cells)
            _find_taps(gw, c, taps_at[phase], r, outside, places)
            for k in range(0, wide, lane_count(source)):
                taps_tile(source, results, taps, cells, k, places, channel + k)
