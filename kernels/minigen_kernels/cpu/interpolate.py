"""Images at any other size on the processor: the two axes apart, a row at a time.

The pixels and weights of each result are computed once for each axis, by the functions of the reference; the compiled
code only gathers and weights. The adjoints go through the results of a plane in order and add each to its pixels: each
plane is written by one thread.

Imports: NumPy, Numba. Specification: ``../reference/interpolate.py``. Read next: ``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Step
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.reference.interpolate import between, nearest


def interpolate_nearest2d(x: Array, out_hw: Pair, step: Step) -> Array:
    """Each result is the pixel in which its place lies: x (N, C, H, W) -> y (N, C, oh, ow)."""
    y = np.empty((*x.shape[:2], *out_hw), x.dtype)
    _nearest(_planes(x), _planes(y), *_pixels(x.shape[2:], out_hw, step))
    return y


def interpolate_nearest2d_adjoint(g: Array, hw: Pair, step: Step) -> Array:
    """Every pixel gets the sum of the results that it gave: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    _nearest_adjoint(_planes(g), _planes(gx), *_pixels(hw, g.shape[2:], step))
    return gx


def interpolate_bilinear2d(x: Array, out_hw: Pair, step: Step, align_corners: bool) -> Array:
    """Each result lies on a straight line between two pixels on each axis: x (N, C, H, W) -> y (N, C, oh, ow)."""
    y = np.empty((*x.shape[:2], *out_hw), x.dtype)
    rows = between(x.shape[2], out_hw[0], step[0], align_corners, x.dtype)
    columns = between(x.shape[3], out_hw[1], step[1], align_corners, x.dtype)
    _bilinear(_planes(x), _planes(y), *rows, *columns)
    return y


def interpolate_bilinear2d_adjoint(g: Array, hw: Pair, step: Step, align_corners: bool) -> Array:
    """Every pixel gets what the results took of it: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    rows = between(hw[0], g.shape[2], step[0], align_corners, g.dtype)
    columns = between(hw[1], g.shape[3], step[1], align_corners, g.dtype)
    _bilinear_adjoint(_planes(g), _planes(gx), *rows, *columns)
    return gx


def _planes(a: Array) -> Array:
    return np.ascontiguousarray(a).reshape(a.shape[0] * a.shape[1], *a.shape[2:])


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
