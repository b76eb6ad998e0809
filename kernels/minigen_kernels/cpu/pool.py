"""Max and average pooling on the processor: one loop over results, or over cells in the adjoints.

Each loop asks once per line, and once per result, which part of the window lies in the plane; inside
there are no checks. The common windows of 2 x 2 cells side by side have their own lines in `_max_pool`.

Imports: NumPy, Numba. Specification: ``../reference/pool.py``. Read next: ``upsample.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Window
from minigen_kernels.cpu.jit import FASTMATH, njit_cached


def max_pool2d(
    x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """x (N, C, H, W) -> the maxima y (N, C, oh, ow), and their places in the planes, int64."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_hw), x.dtype)
    index = np.empty(y.shape, np.int64)
    _max_pool(_planes(x), _planes(y), _planes(index), kernel, stride, padding)
    return y, index


def plane_gather(x: Array, index: Array) -> Array:
    """y[n, c, i, j] = x[n, c].flat[index[n, c, i, j]]. x (N, C, H, W), index (N, C, oh, ow) -> y."""
    x, index = np.ascontiguousarray(x), np.ascontiguousarray(index)
    y = np.empty(index.shape, x.dtype)
    _gather(_lines(x), _lines(index), _lines(y))
    return y


def plane_scatter(g: Array, index: Array, hw: Pair, window: Window | None) -> Array:
    """gx[n, c].flat[index[n, c, i, j]] += g[n, c, i, j]. g, index (N, C, oh, ow) -> gx (N, C, *hw).

    One plane has one writer, which adds in row-major order; so `window` is not needed here.
    """
    g, index = np.ascontiguousarray(g), np.ascontiguousarray(index)
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    _scatter(_lines(g), _lines(index), _lines(gx))
    return gx


def avg_pool2d(
    x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Array:
    """The mean of every window: x (N, C, H, W) -> y (N, C, oh, ow)."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_hw), x.dtype)
    _avg_pool(_planes(x), _planes(y), kernel, stride, padding, count_include_pad)
    return y


def avg_pool2d_adjoint(
    g: Array, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Array:
    """Every result spreads its share over its window: g (N, C, oh, ow) -> gx (N, C, *hw)."""
    g = np.ascontiguousarray(g)
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    _avg_pool_adjoint(_planes(g), _planes(gx), kernel, stride, padding, count_include_pad)
    return gx


def _planes(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])


def _lines(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], a.shape[2] * a.shape[3])


@njit_cached()
def _max_pool(
    x: Array, y: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair
) -> None:
    planes, H, W = x.shape
    oh, ow = y.shape[1:]
    for plane in range(planes):
        for i in range(oh):
            top = i * stride[0] - padding[0]
            first, last = max(top, 0), min(top + kernel[0], H)
            for j in range(ow):
                left = j * stride[1] - padding[1]
                start, stop = max(left, 0), min(left + kernel[1], W)
                best = x[plane, first, start]
                place = first * W + start
                for r in range(first, last):
                    for c in range(start, stop):
                        here = x[plane, r, c]
                        # not (<=) is true for a NaN; once best is NaN, it stays the first one.
                        if not here <= best and best == best:
                            best = here
                            place = r * W + c
                y[plane, i, j] = best
                index[plane, i, j] = place


@njit_cached()
def _gather(x: Array, index: Array, y: Array) -> None:
    for plane in range(index.shape[0]):
        for p in range(index.shape[1]):
            y[plane, p] = x[plane, index[plane, p]]


@njit_cached()
def _scatter(g: Array, index: Array, gx: Array) -> None:
    for plane in range(index.shape[0]):
        for p in range(index.shape[1]):
            gx[plane, index[plane, p]] += g[plane, p]


@njit_cached(fastmath=FASTMATH)
def _avg_pool(
    x: Array, y: Array, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> None:
    planes, H, W = x.shape
    oh, ow = y.shape[1:]
    for plane in range(planes):
        for i in range(oh):
            top = i * stride[0] - padding[0]
            first, last = max(top, 0), min(top + kernel[0], H)
            height = min(top + kernel[0], H + padding[0]) - top if count_include_pad else last - first
            for j in range(ow):
                left = j * stride[1] - padding[1]
                start, stop = max(left, 0), min(left + kernel[1], W)
                width = min(left + kernel[1], W + padding[1]) - left if count_include_pad else stop - start
                total = x.dtype.type(0)
                for r in range(first, last):
                    for c in range(start, stop):
                        total += x[plane, r, c]
                y[plane, i, j] = total / x.dtype.type(height * width)


@njit_cached(fastmath=FASTMATH)
def _avg_pool_adjoint(
    g: Array, gx: Array, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> None:
    planes, H, W = gx.shape
    oh, ow = g.shape[1:]
    for plane in range(planes):
        for i in range(oh):
            top = i * stride[0] - padding[0]
            first, last = max(top, 0), min(top + kernel[0], H)
            height = min(top + kernel[0], H + padding[0]) - top if count_include_pad else last - first
            for j in range(ow):
                left = j * stride[1] - padding[1]
                start, stop = max(left, 0), min(left + kernel[1], W)
                width = min(left + kernel[1], W + padding[1]) - left if count_include_pad else stop - start
                share = g[plane, i, j] / g.dtype.type(height * width)
                for r in range(first, last):
                    for c in range(start, stop):
                        gx[plane, r, c] += share
