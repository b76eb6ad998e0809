"""The gradient in w of a convolution by minimal filters: sums over all tiles.

How tiles lie in memory: ``tiles.py``. Where pieces of the tiles have sums of their own, each thread takes some. If the
sums are large there is one piece: then parts of the panels, each with images of its own, or if there is one part, first
the tiles of a group, then the positions. How many parts there are changes no sum.

Imports: NumPy, ``lanes.py``, ``threads.py``, ``tile.py``, ``tile_places.py``, ``tiles.py``, ``transform.py``.
Read next: ``tile_places.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import first_aligned, lane_count
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import REGISTERS, ROWS, add_to, multiply, rows_at, rows_from, write, zeros
from minigen_kernels.cpu.tile_places import find_cells, find_places, find_taps, find_tile
from minigen_kernels.cpu.tiles import PIECE, SPARE, TILES, Form, transform_image
from minigen_kernels.cpu.transform import address_of, gradient_tile, taps_tile

ADDED = 1 << 13  # sums that a thread takes at a time


@njit_cached()
def sum_tiles(
    x: Array, of_x: Pair, starts: Array, step: Pair, nothing: Array, g: Array, of_g: Pair, start: Pair, stride: Pair,
    count: Pair, parts: Array, form: Form, group: int, spots: Array, some: int, taps_at: Array, outside: Array,
    gw: Array,
) -> None:  # fmt: skip
    """C channels of x (N, H, W, ...), and of some results K channels of g (N, oh, ow, ...) -> gw (C, kh, kw, K).

    parts (many, 2): panels of the K channels that are worked through at a time, the first one and how many. of_x, of_g:
    the first of these channels, and how many. starts, step, start, stride and count: as in `filter_phases`, for one
    phase of the results. group: tiles, a multiple of TILES. spots: where the channels of all phases stand in an image,
    a multiple of ROWS. some: tiles of a piece of the work, whole groups; each piece has sums of its own, which are
    added in the end. taps_at: as in `filter_phases`; outside (K,): for taps that are none.
    """
    m = len(form[0])
    grid = (-(-count[0] // m), -(-count[1] // m))
    share(
        _gradient_part, len(parts), 1,
        (
            x, of_x, starts, step, nothing, g, of_g, start, stride, grid, parts, form, group, spots, some, taps_at,
            outside, gw,
        ),
    )  # fmt: skip


@njit_inner()
def _gradient_part(
    begin: int, end: int, x: Array, of_x: Pair, starts: Array, step: Pair, nothing: Array, g: Array, of_g: Pair,
    start: Pair, stride: Pair, grid: Pair, parts: Array, form: Form, group: int, spots: Array, some: int,
    taps_at: Array, outside: Array, gw: Array,
) -> None:  # fmt: skip
    """Parts begin, ..., end - 1 of the panels."""
    positions, width = (len(form[0]) + len(form[1]) - 1) ** 2, REGISTERS * lane_count(g)
    tiles = x.shape[0] * grid[0] * grid[1]
    pieces = -(-tiles // some)
    for part in range(begin, end):
        first, panels = parts[part, 0], parts[part, 1]
        size = panels * len(spots) * positions * width
        products = np.empty(pieces * size + SPARE, x.dtype)
        products = products[first_aligned(products) :]
        share(
            _sum_part, pieces, 1,
            (
                x, of_x, starts, step, nothing, g, of_g, start, stride, first, panels, form, grid, tiles, group, spots,
                some, size, products,
            ),
        )  # fmt: skip
        share(_total_part, size if pieces > 1 else 0, ADDED, (products, size, pieces))
        share(_taps_part, gw.shape[0], PIECE, (products, first, panels, taps_at, outside, form, gw))


@njit_inner()
def _sum_part(
    begin: int, end: int, x: Array, of_x: Pair, starts: Array, step: Pair, nothing: Array, g: Array, of_g: Pair,
    start: Pair, stride: Pair, first: int, panels: int, form: Form, grid: Pair, tiles: int, group: int, spots: Array,
    some: int, size: int, products: Array,
) -> None:  # fmt: skip
    """Pieces begin, ..., end - 1."""
    positions, lanes = (len(form[0]) + len(form[1]) - 1) ** 2, lane_count(g)
    segments = len(starts) * -(-of_x[1] // lanes)
    image = np.empty(group * segments * positions * lanes + SPARE, x.dtype)
    image = image[first_aligned(image) :]
    gradients = np.empty(group * panels * positions * REGISTERS * lanes + SPARE, x.dtype)
    gradients = gradients[first_aligned(gradients) :]
    for piece in range(begin, end):
        for tile in range(piece * some, min((piece + 1) * some, tiles), group):
            blocks = -(-min(group, tiles - tile) // TILES)
            share(
                _transform_part, blocks * TILES, PIECE,
                (
                    x, of_x, starts, step, nothing, g, of_g, start, stride, first, panels, grid, form, tile, image,
                    gradients,
                ),
            )  # fmt: skip
            share(
                _products_part, positions, 1,
                (
                    tile == piece * some, positions, blocks, segments, panels, image, spots, gradients,
                    products[piece * size :],
                ),
            )  # fmt: skip


@njit_inner()
def _transform_part(
    begin: int, end: int, x: Array, of_x: Pair, starts: Array, step: Pair, nothing: Array, g: Array, of_g: Pair,
    start: Pair, stride: Pair, first: int, panels: int, grid: Pair, form: Form, first_tile: int, image: Array,
    gradients: Array,
) -> None:  # fmt: skip
    """Tiles begin, ..., end - 1 of the group from that tile on: its images and the gradients of its results."""
    results, taps = form
    (from_c, C), (from_k, K), m = of_x, of_g, len(results)
    positions, lanes = (m + len(taps) - 1) ** 2, lane_count(image)
    cell, byte, zeros_at = TILES * REGISTERS * lanes, x.itemsize, address_of(nothing, 0)
    x_at, g_at = address_of(x.reshape(-1), from_c), address_of(g.reshape(-1), from_k)
    cells, places = np.empty(positions, np.intp), np.empty(positions, np.intp)
    for slot in range(begin, end):
        tile = find_tile(first_tile + slot, grid, m)
        transform_image(x_at, x.shape, C, tile, starts, step, zeros_at, form, image, slot, TILES, cells, places)
        place = (tile[0], tile[1] * stride[0] + start[0], tile[2] * stride[1] + start[1])
        find_cells(g_at, g.shape, byte, place, stride, m, zeros_at, cells)
        block, line = divmod(slot, TILES)
        spot = block * panels * positions * cell + line * REGISTERS * lanes
        find_places(address_of(gradients, spot), cell * byte, places)
        for register in range(panels * REGISTERS):
            k, (panel, v) = min((first * REGISTERS + register) * lanes, K - lanes), divmod(register, REGISTERS)
            gradient_tile(gradients, results, taps, cells, k, places, panel * positions * cell + v * lanes)


@njit_inner()
def _products_part(
    begin: int, end: int, fresh: bool, positions: int, blocks: int, segments: int, panels: int, image: Array,
    spots: Array, gradients: Array, products: Array,
) -> None:  # fmt: skip
    """Positions begin, ..., end - 1: add the products of some blocks of tiles to the sums, if they are not fresh."""
    lanes = lane_count(image)
    width = REGISTERS * lanes
    cell, wide_cell = TILES * lanes, TILES * width
    for position in range(begin, end):
        here = image[position * cell :]
        for panel in range(panels):
            at = (panel * positions + position) * wide_cell
            for c in range(0, len(spots), ROWS):
                to = ((panel * len(spots) + c) * positions + position * ROWS) * width
                total = multiply(
                    zeros(image, ROWS, REGISTERS), here, rows_from(spots, c, ROWS), gradients, at, blocks, TILES,
                    segments * positions * cell, lanes, panels * positions * wide_cell, width,
                )  # fmt: skip
                if fresh:
                    write(products, rows_at(to, width, ROWS), total, ROWS, width)
                else:
                    add_to(products, rows_at(to, width, ROWS), total, ROWS, width)


@njit_inner()
def _total_part(begin: int, end: int, products: Array, size: int, pieces: int) -> None:
    """Numbers begin, ..., end - 1 of the first piece become the sums over all pieces."""
    total = products[begin:end]
    for piece in range(1, pieces):
        more = products[piece * size + begin : piece * size + end]
        for i in range(total.size):
            total[i] += more[i]


@njit_inner()
def _taps_part(
    begin: int, end: int, products: Array, first: int, panels: int, taps_at: Array, outside: Array, form: Form,
    gw: Array,
) -> None:  # fmt: skip
    """Sums over tiles -> gw, of channels c = begin, ..., end - 1 and those of the panels."""
    results, taps = form
    C, kh, kw, K = gw.shape
    source, r, positions = products, len(taps), (len(results) + len(taps) - 1) ** 2
    lanes, byte, start, no_tap = lane_count(source), gw.itemsize, address_of(gw.reshape(-1), 0), address_of(outside, 0)
    width = REGISTERS * lanes
    numbers = -(-len(taps_at) * C // ROWS) * ROWS * positions * width  # of a panel
    cells, places = np.empty(positions, np.intp), np.empty(r * r, np.intp)
    for phase in range(len(taps_at)):
        for c in range(begin, end):
            block, row = divmod(phase * C + c, ROWS)
            find_places(address_of(source, (block * positions * ROWS + row) * width), ROWS * width * byte, cells)
            find_taps(start + c * kh * kw * K * byte, (kh, kw), K * byte, taps_at[phase], r, no_tap, places)
            for register in range(panels * REGISTERS):
                k = (first * REGISTERS + register) * lanes
                if k < K:
                    k, (panel, v) = min(k, K - lanes), divmod(register, REGISTERS)
                    taps_tile(source, results, taps, cells, panel * numbers + v * lanes, places, k)
