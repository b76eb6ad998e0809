"""PReLU on the CPU: a leaky ReLU with a slope for each channel, and both of its gradients in one pass.

Samples are shared by threads, in pieces of some samples, each with sums of its own for the slopes. Channels last, and
where a channel has one place, a sample is taken as rows of several places, so that the inner loop is long.

Imports: NumPy, Numba, layout, norm, norm_loops, threads; from ``reference`` the check of arguments. Read next:
``norm.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.group_norm_loops import WIDE
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.layout import dense, empty, like
from minigen_kernels.cpu.norm import PLANES, samples, samples_of_piece, way_of
from minigen_kernels.cpu.norm_loops import spread
from minigen_kernels.cpu.threads import share
from minigen_kernels.reference.norm import check_norm


def prelu(x: Array, w: Array) -> Array:
    """x where x > 0, else w x: x (N, C, L), w (C,) -> y (N, C, L)."""
    check_norm("prelu", x, x.shape[1], w=w)
    x = dense(x)
    y = empty(x.shape, x.dtype, x)
    if x.size:
        _prelu(samples(x), np.ascontiguousarray(w), way_of(x), samples(y), samples_of_piece(x))
    return y


def prelu_backward(gy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Gradients: gy, x (N, C, L), w (C,) -> gx (N, C, L), gw (C,)."""
    check_norm("prelu_backward", x, x.shape[1], {"gy": gy}, w=w)
    x = dense(x)
    gx, gw = empty(x.shape, x.dtype, x), np.zeros(w.shape, x.dtype)
    if x.size:
        images = samples(like(gy, x)), samples(x), np.ascontiguousarray(w)
        _prelu_backward(*images, way_of(x), samples(gx), gw, samples_of_piece(x))
    return gx, gw


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _prelu(x: Array, w: Array, way: int, y: Array, some: int) -> None:
    share(_results, x.shape[0], some, (x, w, way, y))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _results(begin: int, end: int, x: Array, w: Array, way: int, y: Array) -> None:
    """Samples `begin` to `end` - 1."""
    length = x.shape[1] // w.size
    wide = spread(w, 1, max(1, min(WIDE, x.shape[1]) // w.size))
    for n in range(begin, end):
        if way == PLANES:
            for c in range(w.size):
                here = slice(c * length, (c + 1) * length)
                _line(x[n, here], w[c], y[n, here])
        else:
            for start in range(0, x.shape[1], wide.size):
                here = slice(start, min(start + wide.size, x.shape[1]))
                _columns(x[n, here], wide, y[n, here])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _line(x: Array, slope: Any, y: Array) -> None:
    for j in range(x.size):
        y[j] = x[j] if x[j] > x.dtype.type(0) else slope * x[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _columns(x: Array, slopes: Array, y: Array) -> None:
    for j in range(x.size):
        y[j] = x[j] if x[j] > x.dtype.type(0) else slopes[j] * x[j]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _prelu_backward(gy: Array, x: Array, w: Array, way: int, gx: Array, gw: Array, some: int) -> None:
    parts = np.zeros((-(-x.shape[0] // some), w.size))
    share(_gradients, len(parts), 1, (gy, x, w, way, gx, some, parts))
    for c in range(w.size):
        total = 0.0
        for part in range(len(parts)):
            total += parts[part, c]
        gw[c] = total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gradients(
    begin: int, end: int, gy: Array, x: Array, w: Array, way: int, gx: Array, some: int, parts: Array
) -> None:
    """Pieces `begin` to `end` - 1."""
    C, size = w.size, x.shape[1]
    length = size // C
    wide = spread(w, 1, max(1, min(WIDE, size) // C))
    for part in range(begin, end):
        total = np.zeros(wide.size)
        for n in range(part * some, min((part + 1) * some, x.shape[0])):
            if way == PLANES:
                for c in range(C):
                    here = slice(c * length, (c + 1) * length)
                    parts[part, c] += _line_backward(gy[n, here], x[n, here], w[c], gx[n, here])
            else:
                for start in range(0, size, wide.size):
                    here = slice(start, min(start + wide.size, size))
                    _columns_backward(gy[n, here], x[n, here], wide, gx[n, here], total)
        if way != PLANES:
            for start in range(0, wide.size, C):
                for c in range(C):
                    parts[part, c] += total[start + c]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _line_backward(gy: Array, x: Array, slope: Any, gx: Array) -> float:
    """gx, and the sum of gy x where x is not positive."""
    zero, total = x.dtype.type(0), 0.0
    for j in range(x.size):
        gx[j] = gy[j] if x[j] > zero else slope * gy[j]
        total += np.float64(zero if x[j] > zero else gy[j] * x[j])
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _columns_backward(gy: Array, x: Array, slopes: Array, gx: Array, total: Array) -> None:
    zero = x.dtype.type(0)
    for j in range(x.size):
        gx[j] = gy[j] if x[j] > zero else slopes[j] * gy[j]
        total[j] += np.float64(zero if x[j] > zero else gy[j] * x[j])
