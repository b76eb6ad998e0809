"""Images at any other size on the processor: the two axes apart, a row at a time.

The pixels and weights of each result are computed once for each axis, by the functions of the reference; the compiled
code only gathers and weights. The adjoints go through the results of a plane in order and add each to its pixels: each
plane is written by one thread.

Imports: NumPy, Numba, layout. Specification: ``../reference/interpolate.py``. Read next: ``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Step
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.layout import dense, empty, last, lies_last, memory
from minigen_kernels.reference.interpolate import between, nearest


def interpolate_nearest2d(x: Array, out_hw: Pair, step: Step) -> Array:
    """Each result is the pixel in which its place lies: x (N, C, H, W) -> y (N, C, oh, ow)."""
    x = dense(x)
    y = empty((*x.shape[:2], *out_hw), x.dtype, x)
    kernel, view = (_nearest_last, last) if lies_last(x) else (_nearest, _planes)
    kernel(view(x), view(y), *_pixels(x.shape[2:], out_hw, step))
    return y


def interpolate_nearest2d_adjoint(g: Array, hw: Pair, step: Step) -> Array:
    """Every pixel gets the sum of the results that it gave: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    g = dense(g)
    gx = empty((*g.shape[:2], *hw), g.dtype, g)
    memory(gx).fill(0)
    kernel, view = (_nearest_adjoint_last, last) if lies_last(g) else (_nearest_adjoint, _planes)
    kernel(view(g), view(gx), *_pixels(hw, g.shape[2:], step))
    return gx


def interpolate_bilinear2d(x: Array, out_hw: Pair, step: Step, align_corners: bool) -> Array:
    """Each result lies on a straight line between two pixels on each axis: x (N, C, H, W) -> y (N, C, oh, ow)."""
    x = dense(x)
    y = empty((*x.shape[:2], *out_hw), x.dtype, x)
    rows = between(x.shape[2], out_hw[0], step[0], align_corners, x.dtype)
    columns = between(x.shape[3], out_hw[1], step[1], align_corners, x.dtype)
    kernel, view = (_bilinear_last, last) if lies_last(x) else (_bilinear, _planes)
    kernel(view(x), view(y), *rows, *columns)
    return y


def interpolate_bilinear2d_adjoint(g: Array, hw: Pair, step: Step, align_corners: bool) -> Array:
    """Every pixel gets what the results took of it: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    g = dense(g)
    gx = empty((*g.shape[:2], *hw), g.dtype, g)
    memory(gx).fill(0)
    rows = between(hw[0], g.shape[2], step[0], align_corners, g.dtype)
    columns = between(hw[1], g.shape[3], step[1], align_corners, g.dtype)
    kernel, view = (_bilinear_adjoint_last, last) if lies_last(g) else (_bilinear_adjoint, _planes)
    kernel(view(g), view(gx), *rows, *columns)
    return gx


def _planes(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])


def _pixels(hw: Pair, out_hw: Pair, step: Step) -> tuple[Array, Array]:
    return nearest(hw[0], out_hw[0], step[0]), nearest(hw[1], out_hw[1], step[1])


@njit_cached()
def _nearest(x: Array, y: Array, rows: Array, columns: Array) -> None:
    for plane in range(len(y)):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                y[plane, i, j] = x[plane, rows[i], columns[j]]


@njit_cached()
def _nearest_adjoint(g: Array, gx: Array, rows: Array, columns: Array) -> None:
    for plane in range(len(g)):
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                gx[plane, rows[i], columns[j]] += g[plane, i, j]


@njit_cached()
def _bilinear(
    x: Array, y: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array
) -> None:
    one = x.dtype.type(1)
    line = np.empty(x.shape[2], x.dtype)  # a row between two rows of x
    for plane in range(len(y)):
        for i in range(y.shape[1]):
            for j in range(len(line)):
                line[j] = (one - down[i]) * x[plane, above[i], j] + down[i] * x[plane, below[i], j]
            for j in range(y.shape[2]):
                y[plane, i, j] = (one - across[j]) * line[left[j]] + across[j] * line[right[j]]


@njit_cached()
def _bilinear_adjoint(
    g: Array, gx: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array
) -> None:
    one = g.dtype.type(1)
    line = np.empty(gx.shape[2], g.dtype)  # what a row of results gives to each column of pixels
    for plane in range(len(g)):
        for i in range(g.shape[1]):
            line[:] = 0
            for j in range(g.shape[2]):
                line[left[j]] += (one - across[j]) * g[plane, i, j]
                line[right[j]] += across[j] * g[plane, i, j]
            for j in range(len(line)):
                gx[plane, above[i], j] += (one - down[i]) * line[j]
                gx[plane, below[i], j] += down[i] * line[j]


# Channels last: the arrays are (N, H, W, C), and the innermost loop goes along the channels of a pixel. Every number is
# the same sum as above, in the same order.


@njit_cached()
def _nearest_last(x: Array, y: Array, rows: Array, columns: Array) -> None:
    N, oh, ow, C = y.shape
    for n in range(N):
        for i in range(oh):
            for j in range(ow):
                source = x[n, rows[i], columns[j]]
                for c in range(C):
                    y[n, i, j, c] = source[c]


@njit_cached()
def _nearest_adjoint_last(g: Array, gx: Array, rows: Array, columns: Array) -> None:
    N, oh, ow, C = g.shape
    for n in range(N):
        for i in range(oh):
            for j in range(ow):
                target = gx[n, rows[i], columns[j]]
                for c in range(C):
                    target[c] += g[n, i, j, c]


@njit_cached()
def _bilinear_last(
    x: Array, y: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array
) -> None:
    N, oh, ow, C = y.shape
    W, one = x.shape[2], x.dtype.type(1)
    line = np.empty((W, C), x.dtype)  # a row between two rows of x
    for n in range(N):
        for i in range(oh):
            for j in range(W):
                upper, lower = x[n, above[i], j], x[n, below[i], j]
                for c in range(C):
                    line[j, c] = (one - down[i]) * upper[c] + down[i] * lower[c]
            for j in range(ow):
                a, b = line[left[j]], line[right[j]]
                for c in range(C):
                    y[n, i, j, c] = (one - across[j]) * a[c] + across[j] * b[c]


@njit_cached()
def _bilinear_adjoint_last(
    g: Array, gx: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array
) -> None:
    N, oh, ow, C = g.shape
    W, one = gx.shape[2], g.dtype.type(1)
    line = np.empty((W, C), g.dtype)  # what a row of results gives to each column of pixels
    for n in range(N):
        for i in range(oh):
            line[:] = 0
            for j in range(ow):
                a, b = line[left[j]], line[right[j]]
                for c in range(C):
                    a[c] += (one - across[j]) * g[n, i, j, c]
                    b[c] += across[j] * g[n, i, j, c]
            for j in range(W):
                upper, lower = gx[n, above[i], j], gx[n, below[i], j]
                for c in range(C):
                    upper[c] += (one - down[i]) * line[j, c]
                    lower[c] += down[i] * line[j, c]
