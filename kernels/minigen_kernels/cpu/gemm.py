"""Matrix products on the CPU: BLAS, with two special cases.

OpenBLAS's kernels for AVX-512 copy a transposed second factor element by element. So x @ w.T, the forward pass of every
dense layer, takes up to twice the time of a product without transpose: w is large. If x is small, as a batch is, it is
faster to transpose x and the result, a whole register at a time: x @ w.T = (w @ x.T).T.

If one factor is a vector, the product is limited by memory, and BLAS is not faster than a loop. Its threads would be
woken, and then spin for milliseconds beside the loops that follow. Long sums are accumulated in float64, because a
product with a vector of ones is a sum.

Imports: NumPy, Numba, threadpoolctl, lanes, squares. Specification: the same file in ``reference``. Read next:
``activation.py``.
"""

from __future__ import annotations

import functools

import numpy as np
import threadpoolctl
from numba import njit

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached
from minigen_kernels.cpu.lanes import lane_count, load, store
from minigen_kernels.cpu.squares import put_transposed

AVX512 = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # OpenBLAS's names of its sets of kernels
SIDE = 64  # of a block that is transposed in the first-level cache
RUN = 512  # products that are added in the dtype of the factors, in as many partial sums as some registers have lanes
FEW = 32  # rows that are added in the dtype of the factors


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N) -> (M, N)."""
    (m, k), n = a.shape, b.shape[1]
    if k == 1:
        return np.multiply(a, b, order="C")
    if n == 1:
        return times_vector(a, np.ascontiguousarray(b[:, 0]))[:, None]
    if m == 1:
        return times_vector(b.T, np.ascontiguousarray(a[0]))[None]
    # Transposing a number takes about half the time of rearranging it. For a few rows OpenBLAS has other kernels.
    worth = 16 <= m and m * (k + n) < 2 * k * n and a.flags.c_contiguous and b.T.flags.c_contiguous
    if worth and blas_rearranges_slowly():
        return transposed(b.T @ transposed(a))
    return a @ b


def times_vector(a: Array, v: Array) -> Array:
    """The product a @ v: a (M, K), v (K,) -> (M,)."""
    y = np.zeros(len(a), a.dtype)
    if a.flags.c_contiguous:
        _dot_rows(a, v, y)
    elif a.T.flags.c_contiguous:
        _add_rows(a.T, v, y)
    else:
        np.matmul(a, v, out=y)
    return y


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _dot_rows(a: Array, v: Array, y: Array) -> None:
    """y = a @ v, for rows that lie in one piece."""
    for i in range(len(a)):
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


@njit(error_model="numpy", fastmath=FASTMATH)
def _dot(a: Array, v: Array) -> float:
    total = v.dtype.type(0)
    for j in range(len(v)):
        total += a[j] * v[j]
    return np.float64(total)


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _add_rows(a: Array, v: Array, y: Array) -> None:
    """y = v @ a, row by row: a few are added in y, which is zero at first, before they go to the total."""
    total = np.zeros(len(y))
    for first in range(0, len(v), FEW):
        for i in range(first, min(first + FEW, len(v))):
            factor = v[i]
            for j in range(len(y)):
                y[j] += factor * a[i, j]
        for j in range(len(y)):
            total[j] += y[j]
            y[j] = 0
    for j in range(len(y)):
        y[j] = total[j]


@functools.cache
def blas_rearranges_slowly() -> bool:
    """Does NumPy multiply with OpenBLAS's kernels for AVX-512?"""
    return any(library.get("architecture") in AVX512 for library in threadpoolctl.threadpool_info())


def transposed(x: Array) -> Array:
    """x (M, N), C-contiguous, as a new C-contiguous array (N, M)."""
    y = np.empty(x.shape[::-1], x.dtype)
    _transpose(x, y)
    return y


@njit_cached(error_model="numpy")
def _transpose(x: Array, y: Array) -> None:
    """By blocks, each in a buffer first: rows written directly to y would conflict in the cache if their distance is a
    power of two.
    """
    (m, n), lanes, flat_x, flat_y = x.shape, lane_count(x), x.reshape(-1), y.reshape(-1)
    whole_m, whole_n = m - m % lanes, n - n % lanes
    block = np.empty(SIDE * SIDE, x.dtype)
    for top in range(0, whole_m, SIDE):
        height = min(SIDE, whole_m - top)
        for left in range(0, whole_n, SIDE):
            width = min(SIDE, whole_n - left)
            for i in range(0, height, lanes):
                for j in range(0, width, lanes):
                    put_transposed(block, j * SIDE + i, SIDE, flat_x, (top + i) * n + left + j, n)
            for j in range(width):
                for i in range(0, height, lanes):
                    store(flat_y, (left + j) * m + top + i, load(block, j * SIDE + i))
    for j in range(n):
        for i in range(whole_m if j < whole_n else 0, m):
            y[j, i] = x[i, j]
