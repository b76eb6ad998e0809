"""The loops over one sample of group norm, for each way that it may lie in memory.

A *row* has one number of each channel, as in layer norm; in *columns* the channels of a place are side by side; in
*planes* the places of a channel. Moments are sums over each group of the distance from an origin, the mean of some of
its numbers, and of its square: their difference is safe, as in ``batch_norm.py``. Columns are taken as rows of several
places, so that the inner loop is long also for few channels.

Imports: NumPy, Numba, norm_loops. Read next: ``batch_norm.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_inner
from minigen_kernels.cpu.norm_loops import add_moments, move, spread, sum_products

WIDE = 256  # about the numbers of a row of several places
FEW, MANY = 4, 8  # numbers that make an origin; rows whose sums are taken in the dtype of x


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _of_line(x: Array, origin: float) -> tuple[float, float]:
    """The sums over neighbouring numbers of the distance from the origin, and of its square."""
    total, square = 0.0, 0.0
    for j in range(x.size):
        d = x[j] - origin
        total += d
        square += d * d
    return total, square


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def moments_of_planes(x: Array, origin: Array, sums: Array, squares: Array) -> None:
    """The moments of groups that are neighbours in memory."""
    values = x.size // origin.size
    for g in range(origin.size):
        group, mean = x[g * values : (g + 1) * values], 0.0
        for i in range(FEW):
            mean += group[i * values // FEW] / FEW
        origin[g] = mean if math.isfinite(mean) else 0.0
        sums[g], squares[g] = _of_line(group, origin[g])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def moments_of_columns(x: Array, C: int, origin: Array, sums: Array, squares: Array) -> None:
    """The moments of groups of columns."""
    groups, places = origin.size, x.size // C
    size = C // groups
    center = np.empty(C)
    for g in range(groups):
        mean = 0.0
        for i in range(FEW):
            mean += x[i * places // FEW * C + g * size + i * size // FEW] / FEW
        origin[g] = mean if math.isfinite(mean) else 0.0
        for c in range(g * size, (g + 1) * size):
            center[c] = origin[g]
    near = spread(center, 1, max(1, WIDE // C))
    total, square = np.zeros(near.size), np.zeros(near.size)
    add_moments(x, 0, x.size, near.size, near, total, square)
    for g in range(groups):
        sums[g], squares[g] = 0.0, 0.0
        for start in range(g * size, near.size, C):
            for c in range(start, start + size):
                sums[g] += total[c]
                squares[g] += square[c]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def scale_planes(x: Array, near: Array, gain: Array, offset: Array, y: Array) -> None:
    """y = (x - near) gain + offset for the places of each channel."""
    length = x.size // near.size
    for c in range(near.size):
        _scale_line(x[c * length : (c + 1) * length], near[c], gain[c], offset[c], y[c * length : (c + 1) * length])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _scale_line(x: Array, near: Any, gain: Any, offset: Any, y: Array) -> None:
    for j in range(x.size):
        y[j] = (x[j] - near) * gain + offset


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def scale_columns(x: Array, near: Array, gain: Array, offset: Array, y: Array) -> None:
    """The same for places one after another."""
    places = max(1, WIDE // near.size)
    near, gain, offset = spread(near, 1, places), spread(gain, 1, places), spread(offset, 1, places)
    for start in range(0, x.size, near.size):
        stop = min(start + near.size, x.size)
        _scale_columns(x[start:stop], near, gain, offset, y[start:stop])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _scale_columns(x: Array, near: Array, gain: Array, offset: Array, y: Array) -> None:
    for j in range(x.size):
        y[j] = (x[j] - near[j]) * gain[j] + offset[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def products_of_planes(gy: Array, x: Array, near: Array, total: Array, product: Array) -> None:
    """The sums of gy and of gy (x - near) over the places of each channel."""
    length = x.size // near.size
    for c in range(near.size):
        here = slice(c * length, (c + 1) * length)
        total[c], product[c] = _products_of_line(gy[here], x[here], near[c])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _products_of_line(gy: Array, x: Array, near: Any) -> tuple[float, float]:
    total, product = 0.0, 0.0
    for j in range(x.size):
        total += np.float64(gy[j])
        product += np.float64(gy[j] * (x[j] - near))
    return total, product


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def products_of_columns(gy: Array, x: Array, near: Array, total: Array, product: Array) -> None:
    """The same for columns."""
    C = near.size
    wide = spread(near, 1, max(1, WIDE // C))
    few_total, few_product = np.empty(wide.size, x.dtype), np.empty(wide.size, x.dtype)
    wide_total, wide_product = np.zeros(wide.size), np.zeros(wide.size)
    for start in range(0, x.size, MANY * wide.size):
        stop = min(start + MANY * wide.size, x.size)
        sum_products(gy, gy, x, start, stop, wide.size, wide, x.dtype.type(1), few_total, few_product)
        move(few_total, wide_total)
        move(few_product, wide_product)
    for c in range(C):
        total[c], product[c] = 0.0, 0.0
    for start in range(0, wide.size, C):
        for c in range(C):
            total[c] += wide_total[start + c]
            product[c] += wide_product[start + c]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def combine_planes(gy: Array, x: Array, near: Array, gain: Array, slope: Array, shift: Array, gx: Array) -> None:
    """gx = gain gy + slope (x - near) + shift for the places of each channel."""
    length = x.size // near.size
    for c in range(near.size):
        here = slice(c * length, (c + 1) * length)
        _combine_line(gy[here], x[here], near[c], gain[c], slope[c], shift[c], gx[here])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _combine_line(gy: Array, x: Array, near: Any, gain: Any, slope: Any, shift: Any, gx: Array) -> None:
    for j in range(x.size):
        gx[j] = gain * gy[j] + (slope * (x[j] - near) + shift)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def combine_columns(gy: Array, x: Array, near: Array, gain: Array, slope: Array, shift: Array, gx: Array) -> None:
    """The same for places one after another."""
    places = max(1, WIDE // near.size)
    near, gain = spread(near, 1, places), spread(gain, 1, places)
    slope, shift = spread(slope, 1, places), spread(shift, 1, places)
    for start in range(0, x.size, near.size):
        stop = min(start + near.size, x.size)
        _combine_columns(gy[start:stop], x[start:stop], near, gain, slope, shift, gx[start:stop])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _combine_columns(gy: Array, x: Array, near: Array, gain: Array, slope: Array, shift: Array, gx: Array) -> None:
    for j in range(x.size):
        gx[j] = gain[j] * gy[j] + (slope[j] * (x[j] - near[j]) + shift[j])


# Groups of rows are rows of their own, (N * groups, numbers), and w, b and their sums (groups, numbers).


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def normalize_rows(
    begin: int, end: int, x: Array, w: Array, b: Array, eps: float, y: Array, mean: Array, var: Array
) -> None:
    """y = (x - mean) / s w + b for rows `begin` to `end` - 1, with the mean and variance of each."""
    d = x.shape[1]
    for r in range(begin, end):
        g, total = r % len(w), 0.0
        for j in range(d):
            total += x[r, j]
        exact_mean, total = total / d, 0.0
        for j in range(d):
            total += (x[r, j] - exact_mean) ** 2
        exact_var = total / d
        mean[r], var[r] = exact_mean, exact_var
        slope = 1 / math.sqrt(exact_var + eps)
        near, scale = mean[r], x.dtype.type(slope)
        shift = x.dtype.type((near - exact_mean) * slope)  # what the rounding of the mean cut off
        for j in range(d):
            y[r, j] = ((x[r, j] - near) * scale + shift) * w[g, j] + b[g, j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def gradients_of_rows(
    begin: int, end: int, gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, gx: Array, sums: Array
) -> None:
    """gx = (gz - mean(gz) - z mean(gz z)) / s, with gz = gy w; sums (2, groups, numbers): of gy, and of gy z."""
    d = x.shape[1]
    total, product = np.zeros(w.shape), np.zeros(w.shape)
    for r in range(begin, end):
        g, near, scale = r % len(w), mean[r], x.dtype.type(1 / math.sqrt(np.float64(var[r]) + eps))
        sum_g, sum_gz = 0.0, 0.0
        for j in range(d):
            z = (x[r, j] - near) * scale
            gz = gy[r, j] * w[g, j]
            sum_g += gz
            sum_gz += gz * z
            total[g, j] += gy[r, j]
            product[g, j] += gy[r, j] * z
        slope, shift = x.dtype.type(-sum_gz / d), x.dtype.type(-sum_g / d)
        for j in range(d):
            z = (x[r, j] - near) * scale
            gx[r, j] = (gy[r, j] * w[g, j] + shift + slope * z) * scale
    for g in range(len(w)):
        for j in range(d):
            sums[0, g, j], sums[1, g, j] = total[g, j], product[g, j]
