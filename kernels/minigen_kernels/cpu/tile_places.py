"""Where the tiles of minimal filters are: tables of the addresses that transforms read and write.

What tiles and positions are: ``tiles.py``. Arrays come as the addresses of their first numbers: handing them to a
function as arrays takes as long as the transform of a tile.

Imports: Numba. Read next: ``transform.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.jit import njit_inner


@njit_inner()
def find_taps(at: int, shape: tuple[int, int], byte: int, taps_at: Array, r: int, outside: int, places: Array) -> None:
    """The addresses of a channel's taps, or `outside`; at: of its kernel of that shape; byte: from tap to tap."""
    for u in range(r):
        for v in range(r):
            i, j = taps_at[0] + u * taps_at[2], taps_at[1] + v * taps_at[3]
            inside = i < shape[0] and j < shape[1]
            places[u * r + v] = at + (i * shape[1] + j) * byte if inside else outside


@njit_inner()
def find_cells(
    at: int, shape: tuple[int, int, int, int], byte: int, place: tuple[int, int, int], step: Pair, size: int,
    outside: int, cells: Array,
) -> None:  # fmt: skip
    """The addresses of size * size cells from `place` (sample, row, column) on; `outside` for those that are.

    Of the images (N, H, W, C) at this address with so many bytes a number.
    """
    N, H, W, C = shape
    n, top, left = place
    for i in range(size):
        a = top + i * step[0]
        line, there = at + (n * H + a) * W * C * byte, n < N and 0 <= a < H
        for j in range(size):
            b = left + j * step[1]
            cells[i * size + j] = line + b * C * byte if there and 0 <= b < W else outside


@njit_inner()
def find_places(at: int, step: int, places: Array) -> None:
    """The addresses at, at + step, ..."""
    for position in range(len(places)):
        places[position] = at + position * step


@njit_inner()
def find_tile(t: int, grid: Pair, m: int) -> tuple[int, int, int]:
    """Sample, row and column of the first result of tile t."""
    line, column = divmod(t, grid[1])
    n, row = divmod(line, grid[0])
    return n, row * m, column * m
