"""The loops of a convolution by minimal filters: transforms of tiles, and the products between them.

What tiles and positions are: ``winograd.py``. Images are (N, H, W, C), contiguous; a *phase* of an image is every
step-th cell from a start on, which may lie outside, where zeros are. Tile number t has m x m results; it stands at row
and column t of the grid of tiles of its sample, times m; tiles beyond the last sample are zero.

A transform writes a register of channels to each position. Stores to more places than a processor knows pages for
(Intel's first-level table of pages has 16 entries for stores) take several times as long. So the positions lie side by
side, with no more between them than what a product takes at once:

* tiles of images (block of tiles, segment, position, tile, lane): a *segment* is a register of channels of a phase;
* kernels (panel, position, segment, channel, lane of the panel): a *panel* is REGISTERS registers of result channels;
* products and gradients of results (block of tiles, panel, position, tile, lane of the panel);
* products in the gradient of a kernel (panel, block of channels, position, channel, lane of the panel).

The last register of some channels overlaps the one before, unless their number is a multiple of the lanes; in kernels
the channels that it has a second time are zero. Flat arrays begin at a line of the cache.

Threads take whole phases of the result, or groups of tiles, each with its own memory. Sums: ``tile_sums.py``.

Imports: NumPy, ``lanes.py``, ``threads.py``, ``tile.py``, ``tile_places.py``, ``transform.py``. Read next:
``tile_sums.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import first_aligned, lane_count, load, splat
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import REGISTERS, ROWS, multiply, rows_at, write, zeros
from minigen_kernels.cpu.tile_places import find_cells, find_places, find_taps, find_tile
from minigen_kernels.cpu.transform import address_of, image_tile, kernel_tile, result_tile

PIECE = 8  # segments of kernels, channels or tiles that a thread takes at a time
TILES = 8  # of a block, where sums over all tiles are wanted; elsewhere it has ROWS, the rows of a product
SPARE = 16  # numbers of a cache line: an array that has so many more can begin at one

Form = tuple[tuple[int, ...], tuple[int, ...]]  # m numbers and r numbers: F(m x m, r x r)


@njit_inner()
def _kernels_part(
    begin: int, end: int, w: Array, first: int, segments: int, taps_at: Array, nothing: Array, form: Form,
    kernels: Array,
) -> None:  # fmt: skip
    """Segments begin, ..., end - 1 of all panels."""
    results, taps = form
    C, kh, kw, K = w.shape
    r, positions = len(taps), (len(results) + len(taps) - 1) ** 2
    source, byte = w.reshape(-1), w.itemsize
    lanes, registers = lane_count(source), segments // len(taps_at)
    width, start, zeros_at = REGISTERS * lanes, address_of(source, 0), address_of(nothing, 0)
    cells, places = np.empty(r * r, np.intp), np.empty(positions, np.intp)
    for piece in range(begin, end):
        panel, segment = divmod(piece, segments)
        phase, register = divmod(segment, registers)
        at = (panel * positions * segments + segment) * lanes * width
        find_places(address_of(kernels, at), segments * lanes * width * byte, places)
        for lane in range(lanes):
            c = min(register * lanes, C - lanes) + lane
            if c >= register * lanes:
                find_taps(start + c * kh * kw * K * byte, (kh, kw), K * byte, taps_at[phase], r, zeros_at, cells)
            else:  # the register before has it
                find_places(zeros_at, 0, cells)
            for v in range(REGISTERS):
                k = min(((first + panel) * REGISTERS + v) * lanes, K - lanes)
                kernel_tile(source, results, taps, cells, k, places, lane * width + v * lanes)


@njit_inner()
def transform_image(
    at: int, shape: tuple[int, int, int, int], C: int, tile: tuple[int, int, int], starts: Array, step: Pair,
    zeros_at: int, form: Form, image: Array, slot: int, high: int, cells: Array, places: Array,
) -> None:  # fmt: skip
    """All phases of a tile of images of that shape, to place `slot` of blocks of `high` tiles.

    at: the address of the first of the C channels; tile: sample, row and column of its first result; zeros_at: the
    address of C zeros; cells and places: room.
    """
    results, taps = form
    size, lanes, byte = len(results) + len(taps) - 1, lane_count(image), image.itemsize
    n, row, column = tile
    block, line = divmod(slot, high)
    registers, numbers = -(-C // lanes), size * size * high * lanes
    first = block * len(starts) * registers * numbers + line * lanes
    find_places(address_of(image, first), high * lanes * byte, places)
    for phase in range(len(starts)):
        top, left = row * step[0] + starts[phase, 0], column * step[1] + starts[phase, 1]
        find_cells(at, shape, byte, (n, top, left), step, size, zeros_at, cells)
        for register in range(registers):
            c, to = min(register * lanes, C - lanes), (phase * registers + register) * numbers
            image_tile(image, results, taps, cells, c, places, to)


@njit_cached()
def filter_phases(
    x: Array, of_x: Pair, starts: Array, step: Pair, w: Array, taps_at: Array, nothing: Array, y: Array, of_y: Pair,
    start: Array, stride: Pair, count: Array, parts: Array, groups: Array, bias: Array, slope: float, form: Form,
    apart: bool,
) -> None:  # fmt: skip
    """C channels of x (N, H, W, ...), w (C, kh, kw, K) -> some K channels of y (N, oh, ow, ...).

    of_x, of_y: the first of these channels, and how many. For each phase of y: starts (phases, phases of x, 2) and
    step, its cells; start, count (phases, 2) and stride, its results. Tap (u, v) of phase p of x is (row + u * row
    step, column + v * column step), or zero if that is outside; taps_at (phases, phases of x, 4) are these numbers.
    parts (many, 2): panels that are worked through at a time, the first one and how many. groups (phases,): tiles, a
    multiple of ROWS. nothing (K,): zeros. bias (K,); where a result is negative it is multiplied by the slope, or
    becomes 0 for slope 0. apart: threads take whole phases; else they share kernels and groups of each.
    """
    args = (
        x, of_x, starts, step, w, taps_at, nothing, y, of_y, start, stride, count, parts, groups, bias, slope, form
    )  # fmt: skip
    share(_phases_part, len(starts), 1 if apart else len(starts), args)


@njit_inner()
def _phases_part(
    begin: int, end: int, x: Array, of_x: Pair, starts: Array, step: Pair, w: Array, taps_at: Array, nothing: Array,
    y: Array, of_y: Pair, start: Array, stride: Pair, count: Array, parts: Array, groups: Array, bias: Array,
    slope: float, form: Form,
) -> None:  # fmt: skip
    """Phases begin, ..., end - 1: kernels (panels, positions, segments, lanes, width of a panel), and results."""
    lanes, m = lane_count(bias), len(form[0])
    segments = starts.shape[1] * -(-of_x[1] // lanes)
    panel = (m + len(form[1]) - 1) ** 2 * segments * lanes * REGISTERS * lanes
    kernels = np.empty(parts[0, 1] * panel + SPARE, x.dtype)
    kernels = kernels[first_aligned(kernels) :]
    for phase in range(begin, end):
        grid, begins = (-(-count[phase, 0] // m), -(-count[phase, 1] // m)), (start[phase, 0], start[phase, 1])
        for part in range(len(parts)):
            first, panels = parts[part, 0], parts[part, 1]
            share(
                _kernels_part, panels * segments, PIECE,
                (w, first, segments, taps_at[phase], nothing, form, kernels),
            )  # fmt: skip
            share(
                _filter_part, x.shape[0] * grid[0] * grid[1], groups[phase],
                (
                    x, of_x, starts[phase], step, nothing, kernels, y, of_y, begins, stride, grid, first, panels, bias,
                    slope, form,
                ),
            )  # fmt: skip


@njit_inner()
def _filter_part(
    begin: int, end: int, x: Array, of_x: Pair, starts: Array, step: Pair, nothing: Array, kernels: Array, y: Array,
    of_y: Pair, start: Pair, stride: Pair, grid: Pair, first: int, panels: int, bias: Array, slope: float, form: Form,
) -> None:  # fmt: skip
    """Tiles begin, ..., end - 1."""
    results, taps = form
    (from_c, C), (from_k, K), m = of_x, of_y, len(results)
    positions, lanes = (m + len(taps) - 1) ** 2, lane_count(bias)
    width, segments = REGISTERS * lanes, len(starts) * -(-C // lanes)
    blocks = -(-(end - begin) // ROWS)
    cell, part, cells_of_panel = ROWS * lanes, lanes * width, ROWS * width
    image = np.empty(blocks * segments * positions * cell + SPARE, x.dtype)
    image = image[first_aligned(image) :]
    sums = np.empty(blocks * panels * positions * cells_of_panel + K + SPARE, x.dtype)
    sums = sums[first_aligned(sums) :]
    cells, places = np.empty(positions, np.intp), np.empty(positions, np.intp)
    at, zeros_at, byte = address_of(x.reshape(-1), from_c), address_of(nothing, 0), x.itemsize
    for slot in range(blocks * ROWS):
        tile = find_tile(begin + slot, grid, m)
        transform_image(at, x.shape, C, tile, starts, step, zeros_at, form, image, slot, ROWS, cells, places)
    for position in range(positions):
        for panel in range(panels):
            there = (panel * positions + position) * segments * part
            for block in range(blocks):
                total = zeros(sums, ROWS, REGISTERS)
                rows = rows_at((block * segments * positions + position) * cell, lanes, ROWS)
                total = multiply(total, image, rows, kernels, there, segments, lanes, positions * cell, 1, part, width)
                to = ((block * panels + panel) * positions + position) * cells_of_panel
                write(sums, rows_at(to, width, ROWS), total, ROWS, width)
    factor, keep = splat(x.dtype.type(slope)), slope != 0
    at, outside = address_of(y.reshape(-1), from_k), address_of(sums, blocks * panels * positions * cells_of_panel)
    for t in range(begin, end):
        block, line = divmod(t - begin, ROWS)
        spot = (block * panels * positions * ROWS + line) * width
        find_places(address_of(sums, spot), cells_of_panel * byte, places)
        n, row, column = find_tile(t, grid, m)
        place = (n, row * stride[0] + start[0], column * stride[1] + start[1])
        find_cells(at, y.shape, byte, place, stride, m, outside, cells)
        for register in range(panels * REGISTERS):
            k = (first * REGISTERS + register) * lanes
            if k < K:
                k, (panel, v) = min(k, K - lanes), divmod(register, REGISTERS)
                source = panel * positions * cells_of_panel + v * lanes
                result_tile(sums, results, taps, places, source, cells, k, load(bias, k), factor, keep)
