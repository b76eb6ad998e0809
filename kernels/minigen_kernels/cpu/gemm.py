"""Matrix products on the CPU.

A product of large matrices is arithmetic; what makes it slow is fetching its factors. ``tile.py`` keeps a block of
sums in registers, and ``product.py`` keeps what the block needs next in the caches. Here the layouts of the factors are
looked at. None needs to be transposed first: in x @ w.T, the forward pass of every dense layer, the copy of w that is
made anyway is its transpose. If x has few rows, x is copied instead of w, which is larger: x @ w.T = (w @ x.T).T.

Why not BLAS? It is as fast for large matrices, and slower for a batch of 8 to 64 rows. And its sums depend on the
number of threads and on the library. Here the order of a sum depends on its length alone. Who asks for MKL, ``mkl.py``,
gets it for all but small products.

If one factor is a vector, the product is limited by memory: a loop is enough. Long sums are accumulated in float64,
because a product with a vector of ones is a sum. A handful of numbers is left to NumPy, whose call costs least.

Imports: NumPy, Numba, product, mkl, lanes, squares, threads. Specification: the same file in ``reference``. Read next:
``product.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu import mkl
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.lanes import first_aligned, lane_count, load, store
from minigen_kernels.cpu.product import plan, product
from minigen_kernels.cpu.squares import put_transposed
from minigen_kernels.cpu.threads import PIECE, SLICES, share

SIDE = 64  # of a block that is transposed in the first-level cache
RUN = 512  # products that are added in the dtype of the factors, in as many partial sums as some registers have lanes
FEW = 32  # rows that are added in the dtype of the factors
LINE = 64  # bytes of a cache line
SMALL = 1 << 17  # multiplications for which NumPy's shorter way to its product counts more; BLAS uses one thread


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N) -> (M, N)."""
    (m, k), n = a.shape, b.shape[1]
    if k == 1:
        return np.multiply(a, b, order="C")
    if n == 1:
        return times_vector(a, np.ascontiguousarray(b[:, 0]))[:, None]
    if m == 1:
        return times_vector(b.T, np.ascontiguousarray(a[0]))[None]
    if m * k * n <= SMALL:
        return a.dot(b)
    if mkl.library() is not None:
        return mkl.matmul(a, b)
    a_turned, b_turned = not a.flags.c_contiguous, not b.flags.c_contiguous
    a = np.ascontiguousarray(a.T) if a_turned else a
    b = np.ascontiguousarray(b.T) if b_turned else b
    if b_turned and not a_turned and transposing_pays(m, k, n, a.itemsize):
        y = _room(n, m, a.dtype)
        product(b, False, a, True, y, plan(n, k, m, False, True, a.itemsize))
        return transposed(y)
    y = _room(m, n, a.dtype)
    product(a, a_turned, b, b_turned, y, plan(m, k, n, a_turned, b_turned, a.itemsize))
    return y


def _room(m: int, n: int, dtype: Any) -> Array:
    """An array (m, n) for a product. Where rows are whole lines of the cache it begins at one: then no register that is
    written lies in two of them, which takes 3 per cent longer, and with two threads 10.
    """
    if n * dtype.itemsize % LINE:
        return np.empty((m, n), dtype)
    room = np.empty(m * n + LINE // dtype.itemsize, dtype)
    start = _first(room)
    return room[start : start + m * n].reshape(m, n)


@njit_cached(error_model="numpy")
def _first(x: Array) -> int:
    """The first number of x that begins a line of the cache."""
    return first_aligned(x)


def transposing_pays(m: int, k: int, n: int, itemsize: int) -> bool:
    """Whether x @ w.T is faster as (w @ x.T).T: x (M, K), w (N, K).

    Its rows are then lanes, and some may be left empty. On the other hand w, which is used M times, is not copied, and
    copying a number takes as long as some 8 products.
    """
    empty = -m % (64 // itemsize)
    return 8 <= m <= 64 and m <= n and m * k * n >= 4 * SMALL and empty + 14 * m // k < 8


def times_vector(a: Array, v: Array) -> Array:
    """The product a @ v: a (M, K), v (K,) -> (M,)."""
    y = np.empty(len(a), a.dtype)
    if a.T.flags.c_contiguous and not a.flags.c_contiguous:
        _add_rows(a.T, v, y)
    else:
        _dot_rows(np.ascontiguousarray(a), v, y)
    return y


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _dot_rows(a: Array, v: Array, y: Array) -> None:
    """y = a @ v, for rows that lie in one piece."""
    share(_dot_part, len(a), 1 + PIECE // (len(v) + 1), (a, v, y))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _dot_part(begin: int, end: int, a: Array, v: Array, y: Array) -> None:
    for i in range(begin, end):
        if len(v) <= RUN:
            part = y.dtype.type(0)
            for j in range(len(v)):
                part += a[i, j] * v[j]
            y[i] = part
        else:
            total = 0.0
            for start in range(0, len(v), RUN):
                total += _dot(a[i, start : start + RUN], v[start : start + RUN])
            y[i] = total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _dot(a: Array, v: Array) -> float:
    total = v.dtype.type(0)
    for j in range(len(v)):
        total += a[j] * v[j]
    return np.float64(total)


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _add_rows(a: Array, v: Array, y: Array) -> None:
    """y = v @ a, row by row: a few are added in the dtype of y before they go to the total."""
    columns = max(PIECE // (len(v) + 1), len(y) // SLICES)
    share(_add_part, len(y), 64 * (1 + columns // 64), (a, v, y))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _add_part(begin: int, end: int, a: Array, v: Array, y: Array) -> None:
    """The columns begin, ..., end - 1."""
    y = y[begin:end]
    part, total = np.zeros(len(y), y.dtype), np.zeros(len(y))
    for first in range(0, len(v), FEW):
        for i in range(first, min(first + FEW, len(v))):
            factor, row = v[i], a[i, begin:end]
            for j in range(len(y)):
                part[j] += factor * row[j]
        for j in range(len(y)):
            total[j] += part[j]
            part[j] = 0
    for j in range(len(y)):
        y[j] = total[j]


def transposed(x: Array) -> Array:
    """x (M, N), C-contiguous, as a new C-contiguous array (N, M)."""
    y = _room(x.shape[1], x.shape[0], x.dtype)
    _transpose(x, y)
    return y


@njit_cached(error_model="numpy")
def _transpose(x: Array, y: Array) -> None:
    """By blocks, each in a buffer first: rows written directly to y would conflict in the cache if their distance is a
    power of two.
    """
    share(_transpose_part, x.shape[1], SIDE * (1 + PIECE // (SIDE * x.shape[0] + 1)), (x, y))


@njit_inner(error_model="numpy")
def _transpose_part(begin: int, end: int, x: Array, y: Array) -> None:
    """The columns begin, ..., end - 1 of x, where the first is a multiple of SIDE."""
    (m, n), lanes, flat_x, flat_y = x.shape, lane_count(x), x.reshape(-1), y.reshape(-1)
    whole_m, whole_n = m - m % lanes, min(end, n - n % lanes)
    block = np.empty(SIDE * SIDE, x.dtype)
    for top in range(0, whole_m, SIDE):
        height = min(SIDE, whole_m - top)
        for left in range(begin, whole_n, SIDE):
            width = min(SIDE, whole_n - left)
            for i in range(0, height, lanes):
                for j in range(0, width, lanes):
                    put_transposed(block, j * SIDE + i, SIDE, flat_x, (top + i) * n + left + j, n)
            for j in range(width):
                for i in range(0, height, lanes):
                    store(flat_y, (left + j) * m + top + i, load(block, j * SIDE + i))
    for j in range(begin, end):
        for i in range(whole_m if j < whole_n else 0, m):
            y[j, i] = x[i, j]
