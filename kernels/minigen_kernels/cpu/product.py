"""The product of two matrices of any layout, by blocks.

A block of sums in registers (``tile.py``) reaches the machine's peak if its factors come from the caches. So
c = a @ b is cut three times:

* the sums into runs of `depth` terms, so that a *panel* of b, `depth` rows of REGISTERS registers, fits into the
  first-level cache beside some rows of a;
* the rows into blocks, so that such a block of a fits into the second-level cache;
* the columns into *strips* of some panels.

A strip of b is copied, panel after panel: its rows lie too far apart in memory, or its columns must become rows. It
is then met by all rows of the block. With several blocks all strips are copied first. The rows of a are copied only
where it pays. Threads share the copies, and the strips of the blocks.

Each number of c is the sum of the runs in their order: its bits do not depend on the cuts of rows and columns. (Goto
and van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34(3), 2008.)

Imports: NumPy, ``block.py``, ``jit.py``, ``lanes.py``, ``squares.py``, ``threads.py``, ``tile.py``. Read next:
``gemm.py``.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.block import multiply_rows
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import REGISTER_BYTES, first_aligned, lane_count, load, splat, store, take
from minigen_kernels.cpu.squares import put_transposed
from minigen_kernels.cpu.threads import share
from minigen_kernels.cpu.tile import REGISTERS, ROWS

Steps = tuple[int, int]  # the distance of two rows and that of two columns
Plan = tuple[int, int, int, bool, bool]  # how many terms, rows and columns at once; whether to copy a, and b

SPARE = 16  # numbers after a copied row: rows at distances of a power of two would conflict in the cache
GROUP = 8  # terms that are copied together
DEPTH = 256  # at most so many terms in a run, on every machine: the bits of a product depend on it
STRIP_BYTES = 256  # of a row of a strip of b, at most
PIECES = 8  # of a product, at least: strips, and blocks where there are fewer
SHARED = 1 << 19  # multiplications in a run of terms that are worth another thread


@functools.lru_cache(1024)
def plan(M: int, K: int, N: int, a_turned: bool, b_turned: bool, itemsize: int) -> Plan:
    """The `cuts` of a product on this machine, and whether to copy a and b."""
    return cuts(M, K, N, a_turned, b_turned, itemsize, second_cache())


def cuts(M: int, K: int, N: int, a_turned: bool, b_turned: bool, itemsize: int, cache: int) -> Plan:
    """How to cut a product (M, K) @ (K, N), and whether to copy a and b; cache: bytes of the second level.

    The runs of terms depend on K alone.
    """
    depth = _shares(K, DEPTH, 8)
    panel = REGISTERS * REGISTER_BYTES
    width = max(min(STRIP_BYTES, N * itemsize // PIECES), panel) // panel * panel // itemsize
    blocks = min(PIECES, M * N * depth // SHARED) // -(-N // width)
    few = max(M // max(blocks, 1), 4 * ROWS)  # rows of a block, where strips alone are too few pieces
    height = _shares(M, min(few, max(cache // 2 // (depth * itemsize), ROWS)), 1)
    # A number of a is used N times, and copying it takes as long as some ten products. It helps where rows lie in more
    # pieces than one; of a turned a earlier, most where the terms of a row lie on as many pages of memory, or in the
    # same few lines of the cache. Where the second-level cache is large, a block that fills little of it needs no copy.
    easy = cache >= 1 << 20 and height * depth * itemsize <= cache // 4
    if a_turned:
        far = M * itemsize >= 4096 or M * itemsize % 2048 == 0
        copy_a = N * itemsize >= (384 if far else 512 if depth > 128 else 1024) and (far or not easy)
    else:
        copy_a = N * itemsize >= 1024 and K > depth and not easy
    copy_b = b_turned or M > 48 or N * itemsize % 1024 == 0
    return depth, height, width, copy_a, copy_b


def _shares(count: int, most: int, multiple: int) -> int:
    """The size of equal shares of `count` things, each at most `most` and a multiple of `multiple`."""
    share = -(-count // -(-count // most))
    return -(-share // multiple) * multiple


@functools.cache
def second_cache() -> int:
    """Bytes of a processor's second-level cache; half a megabyte if the system does not say."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, size = ((index / name).read_text().strip() for name in ("level", "size"))
            if level == "2":
                return int(size.rstrip("K")) << 10
        except (OSError, ValueError):
            continue
    return 1 << 19


@njit_cached(error_model="numpy")
def product(a: Array, a_turned: bool, b: Array, b_turned: bool, c: Array, plan: Plan) -> None:
    """c = a @ b: a (M, K), or (K, M) if it is turned; b (K, N), or (N, K); c (M, N); all C-contiguous, none empty."""
    (M, N), K = c.shape, a.shape[0 if a_turned else 1]
    of_a, of_b = (1, M) if a_turned else (K, 1), (1, K) if b_turned else (N, 1)
    depth, height, width, copy_a, copy_b = plan
    blocks, strips = (M + height - 1) // height, (N + width - 1) // width
    flat_a, flat_b, flat_c = a.reshape(-1), b.reshape(-1), c.reshape(-1)
    packed = np.empty(blocks * height * (depth + SPARE) if copy_a else 0, a.dtype)
    shelf = np.empty(depth * strips * width + SPARE if copy_b and blocks > 1 else 0, a.dtype)
    piece = 1 if M * N * depth >= SHARED else blocks * strips
    for k in range(0, K, depth):
        if copy_a:
            share(copy_rows, blocks, piece, (packed, flat_a, of_a, k, K, M, plan))
        if len(shelf) > 0:
            share(_copy_strips, strips, piece, (shelf, flat_b, of_b, k, K, N, plan))
        of_c = (M, N, N)
        share(multiply, blocks * strips, piece, (packed, flat_a, of_a, shelf, flat_b, of_b, flat_c, of_c, k, K, plan))


@njit_inner(error_model="numpy")
def copy_rows(start: int, end: int, packed: Array, a: Array, of_a: Steps, k: int, K: int, M: int, plan: Plan) -> None:
    """Copy `depth` terms from k on of the blocks of rows start, ..., end - 1.

    Rows that lie in one piece remain so. Else the numbers of a tile's rows lie side by side, term by term.
    """
    depth, lanes, (row, step), zeros = min(plan[0], K - k), lane_count(a), of_a, splat(a.dtype.type(0))
    for block in range(start, end):
        i = block * plan[1]
        height = min(plan[1], M - i)
        at, target = i * row + k * step, i * (plan[0] + SPARE)
        if step == 1:
            whole = depth - depth % lanes
            for _ in range(height):
                for t in range(0, whole, lanes):
                    store(packed, target + t, load(a, at + t))
                store(packed, target + whole, take(a, at + whole, 1, 0, depth - whole, zeros))
                at += row
                target += depth + SPARE
            continue
        tiles = (height + ROWS - 1) // ROWS
        least, more = height // tiles, height % tiles
        for group in range(0, depth, GROUP):
            terms, first = min(GROUP, depth - group), 0
            for tile in range(tiles):
                count = least + (tile < more)
                source, place = at + group * step + first, target + first * (depth + SPARE) + group * count
                for _ in range(terms):
                    for r in range(0, ROWS, lanes):
                        store(packed, place + r, take(a, source + r, 1, 0, count - r, zeros))
                    source += step
                    place += count
                first += count


@njit_inner(error_model="numpy")
def _copy_strips(start: int, end: int, shelf: Array, b: Array, of_b: Steps, k: int, K: int, N: int, plan: Plan) -> None:
    """Copy `depth` rows from k on of the strips start, ..., end - 1, for several blocks of a."""
    depth = min(plan[0], K - k)
    panels = shelf[first_aligned(shelf) :]
    for j in range(start * plan[2], min(end * plan[2], N), plan[2]):
        _copy_strip(panels[j * depth :], b, k * of_b[0] + j * of_b[1], of_b, depth, min(plan[2], N - j))


@njit_inner(error_model="numpy")
def multiply(
    start: int,
    end: int,
    packed: Array,
    a: Array,
    of_a: Steps,
    shelf: Array,
    b: Array,
    of_b: Steps,
    c: Array,
    of_c: tuple[int, int, int],
    k: int,
    K: int,
    plan: Plan,
) -> None:
    """Add `depth` terms from k on to the pieces start, ..., end - 1 of c: a strip of each block, block after block.

    of_c: rows and columns of c, and the distance of two rows.
    """
    (M, N, line), depth, wide = of_c, min(plan[0], K - k), REGISTERS * lane_count(a)
    strips = (N + plan[2] - 1) // plan[2]
    panels = shelf if len(shelf) > 0 else np.empty(depth * plan[2] + SPARE, a.dtype)
    panels = panels[first_aligned(panels) :]
    for piece in range(start, end):
        i, j = piece // strips * plan[1], piece % strips * plan[2]
        height, width = min(plan[1], M - i), min(plan[2], N - j)
        rows, base, (row, step) = a, i * of_a[0] + k * of_a[1], of_a
        if plan[3]:
            rows, base, row = packed, i * (plan[0] + SPARE), depth + SPARE
        from_b = k * of_b[0] + j * of_b[1]
        copied, before = 0 if plan[4] else width - width % wide, j if len(shelf) > 0 else 0
        if len(shelf) == 0:
            _copy_strip(panels, b, from_b + copied * of_b[1], of_b, depth, width - copied)
        tiles = (height + ROWS - 1) // ROWS
        least, more = height // tiles, height % tiles
        for column in range(0, width, wide):
            factor, place = panels, ((before + column - copied) * depth, wide)
            if column < copied:
                factor, place = b, (from_b + column, of_b[0])
            first = 0
            for tile in range(tiles):
                count = least + (tile < more)
                from_a = (base + first * row, row, step)
                if plan[3] and step != 1:
                    from_a = (base + first * row, 1, count)
                target = ((i + first) * line + j + column, line)
                multiply_rows(count, rows, from_a, factor, place, depth, c, target, min(wide, width - column), k == 0)
                first += count


@njit_inner(error_model="numpy")
def _copy_strip(panels: Array, b: Array, at: int, of_b: Steps, depth: int, width: int) -> None:
    """The part of b from `at` on, `depth` rows of `width` numbers: panel after panel, zeros after the last column."""
    lanes, (row, step), zeros = lane_count(b), of_b, splat(b.dtype.type(0))
    wide = REGISTERS * lanes
    if step == 1:
        whole = width - width % wide
        for group in range(0, depth, GROUP):
            for j in range(0, whole, wide):
                source, target = at + group * row + j, j * depth + group * wide
                for _ in range(min(GROUP, depth - group)):
                    for v in range(0, wide, lanes):
                        store(panels, target + v, load(b, source + v))
                    source += row
                    target += wide
        for j in range(whole, width, lanes):
            source, target = at + j, whole * depth + j - whole
            for _ in range(depth):
                store(panels, target, take(b, source, 1, 0, width - j, zeros))
                source += row
                target += wide
        return
    for j in range(0, width, lanes):
        source, target = at + j * step, j // wide * wide * depth + j % wide
        whole = depth - depth % lanes if j + lanes <= width else 0
        for k in range(0, whole, lanes):
            put_transposed(panels, target + k * wide, wide, b, source + k, step)
        for k in range(whole, depth):
            store(panels, target + k * wide, take(b, source + k, step, 0, width - j, zeros))
