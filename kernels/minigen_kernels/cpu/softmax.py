"""Softmax and its logarithm over rows on the CPU: tiles of rows that stay in the cache.

Rows may be short (ten classes), and a short loop is not vectorised. So exp is computed for a whole tile at once, and
only the sums row by row. For float64 see ``elementwise.py``.

Imports: NumPy, Numba, exponential, threads; from ``reference`` the specification of the same file, and its checks.
Read next: ``loss.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array, reference
from minigen_kernels.cpu.exponential import exp
from minigen_kernels.cpu.jit import FASTMATH, njit_inner
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.softmax import check_rows

TILE = 2048  # numbers in a tile, unless a row has more
ROWS = 256  # that a thread does at a time
LEAST, MOST, SIGN = np.int32(-(1 << 31)), np.int32((1 << 31) - 1), np.int32(31)


def softmax(x: Array) -> Array:
    """y = exp(x) / sum exp(x), the sum over each row: x (R, K) -> y (R, K)."""
    if x.dtype == np.float64:
        return reference.softmax(x)
    y = np.empty(x.shape, x.dtype)
    _softmax(len(x), np.ascontiguousarray(x), y)
    return y


def softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `softmax` in x, from its result y: gx = y (gy - sum gy y)."""
    check_rows("softmax_backward", gy, y)
    gx = np.empty(y.shape, y.dtype)
    _softmax_backward(len(y), np.ascontiguousarray(gy), np.ascontiguousarray(y), gx)
    return gx


def log_softmax(x: Array) -> Array:
    """y = x - log sum exp(x), the sum over each row: x (R, K) -> y (R, K)."""
    if x.dtype == np.float64:
        return reference.log_softmax(x)
    y = np.empty(x.shape, x.dtype)
    _log_softmax(len(x), np.ascontiguousarray(x), y)
    return y


def log_softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `log_softmax` in x, from its result y: gx = gy - exp(y) sum gy."""
    if y.dtype == np.float64:
        return reference.log_softmax_backward(gy, y)
    check_rows("log_softmax_backward", gy, y)
    gx = np.empty(y.shape, y.dtype)
    _log_softmax_backward(len(y), np.ascontiguousarray(gy), np.ascontiguousarray(y), gx)
    return gx


@njit_shared(ROWS, error_model="numpy", fastmath=FASTMATH)
def _softmax(first: int, last: int, x: Array, y: Array) -> None:
    rows = max(1, TILE // x.shape[1])
    shifted = np.empty((rows, x.shape[1]), x.dtype)  # exp in place would not be vectorised
    for start in range(first, last, rows):
        stop = min(start + rows, last)
        for r in range(start, stop):
            _subtract(x[r], _largest(x[r]), shifted[r - start])
        _exp(shifted[: stop - start].reshape(-1), y[start:stop].reshape(-1))
        for r in range(start, stop):
            _multiply(y[r], x.dtype.type(1 / _sum(y[r])))


@njit_shared(ROWS, error_model="numpy", fastmath=FASTMATH)
def _softmax_backward(first: int, last: int, gy: Array, y: Array, gx: Array) -> None:
    for r in range(first, last):
        total = 0.0
        for k in range(y.shape[1]):
            total += np.float64(gy[r, k] * y[r, k])
        mean = y.dtype.type(total)
        for k in range(y.shape[1]):
            gx[r, k] = y[r, k] * (gy[r, k] - mean)


@njit_shared(ROWS, error_model="numpy", fastmath=FASTMATH)
def _log_softmax(first: int, last: int, x: Array, y: Array) -> None:
    rows = max(1, TILE // x.shape[1])
    e = np.empty((rows, x.shape[1]), x.dtype)
    for start in range(first, last, rows):
        stop = min(start + rows, last)
        for r in range(start, stop):
            _subtract(x[r], _largest(x[r]), y[r])
        _exp(y[start:stop].reshape(-1), e[: stop - start].reshape(-1))
        for r in range(start, stop):
            _subtract(y[r], x.dtype.type(math.log(_sum(e[r - start]))), y[r])


@njit_shared(ROWS, error_model="numpy", fastmath=FASTMATH)
def _log_softmax_backward(first: int, last: int, gy: Array, y: Array, gx: Array) -> None:
    rows = max(1, TILE // y.shape[1])
    for start in range(first, last, rows):
        stop = min(start + rows, last)
        _exp(y[start:stop].reshape(-1), gx[start:stop].reshape(-1))
        for r in range(start, stop):
            _subtract_from(gy[r], y.dtype.type(_sum(gy[r])), gx[r])


# The inner loops get slices, so that they are vectorised (see the end of ``batch_norm.py``).


@njit_inner(error_model="numpy")
def _largest(x: Array) -> Any:
    """The largest number, or a NaN. LLVM finds the largest of whole numbers in vectors, not that of floats.

    Read as whole numbers, positive floats have their own order; for negative ones the bits but the sign are turned.
    """
    bits = x.view(np.int32)
    largest = LEAST
    for k in range(bits.size):
        largest = max(largest, np.int32(bits[k] ^ ((bits[k] >> SIGN) & MOST)))
    return np.int32(largest ^ ((largest >> SIGN) & MOST)).view(np.float32)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _exp(x: Array, y: Array) -> None:
    for k in range(x.size):
        y[k] = exp(x[k])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _sum(x: Array) -> float:
    total = 0.0
    for k in range(x.size):
        total += np.float64(x[k])
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _subtract(x: Array, number: Any, y: Array) -> None:
    for k in range(x.size):
        y[k] = x[k] - number


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _multiply(y: Array, factor: Any) -> None:
    for k in range(y.size):
        y[k] *= factor


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _subtract_from(gy: Array, total: Any, gx: Array) -> None:
    """In gx: from exp(y) to gy - exp(y) total."""
    for k in range(gx.size):
        gx[k] = gy[k] - gx[k] * total
