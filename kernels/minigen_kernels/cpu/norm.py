"""Batch norm and layer norm on the CPU: two passes over a strip that stays in the cache.

Batch norm sees x (N, C, L), channels last (N * L, C, 1), as rows of C * L columns, or of several samples if these are
short, and works on strips of whole channels. Each column of a strip has its own float64 sums over the rows, so the
inner loop runs along contiguous memory and is vectorised for every L, also L = 1; then the columns of a channel are
added up. What belongs to a channel is copied to its columns first, for the same reason.

The variance takes one pass: d is the distance from the channel's origin, which is the mean of k of its M values, and

    mean = origin + sum d / M,    var = sum d^2 / M - (sum d / M)^2.

The difference is safe: those k values alone give the variance k / M (sum d / M)^2, so what is subtracted is at most
M / k times what is left, and about 1 / k times where the values are like each other (Chan, Golub and LeVeque 1983).

Imports: NumPy, Numba, layout, norm_loops; from ``reference`` the check of arguments and the running statistics.
Read next: ``norm_loops.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached
from minigen_kernels.cpu.layout import dense, empty, like, pixels_apart
from minigen_kernels.cpu.norm_loops import combine, move, sum_products
from minigen_kernels.reference.norm import check_norm, running_statistics

STRIP = 512  # columns in a strip, if a channel has no more than that, and about the length of a row of short samples

#: Rows whose gradients are summed in the dtype of x: as a rule, and where all begin at the same place of a page and so
#: drive each other out of the cache.
MANY, FEW = 8, 4


def batch_norm(
    x: Array, w: Array, b: Array, running_mean: Array, running_var: Array, eps: float, momentum: float, slope: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Batch norm and leaky ReLU: x (N, C, L), four of (C,) -> y, and mean, biased var, running mean and var (C,)."""
    n, c, length = x.shape
    check_norm("batch_norm", x, c, w=w, b=b, running_mean=running_mean, running_var=running_var)
    x, w, b = dense(x), np.ascontiguousarray(w), np.ascontiguousarray(b)
    y, mean, var = empty(x.shape, x.dtype, x), np.empty(c, x.dtype), np.empty(c, x.dtype)
    _batch_norm(pixels_apart(x), w, b, float(eps), float(slope), pixels_apart(y), mean, var)
    return y, mean, var, *running_statistics(mean, var, running_mean, running_var, momentum, n * length)


def batch_norm_backward(
    gy: Array, y: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, y, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,)."""
    c = x.shape[1]
    check_norm("batch_norm_backward", x, c, {"gy": gy, "y": y}, w=w, mean=mean, var=var)
    x, w, mean, var = dense(x), *(np.ascontiguousarray(v) for v in (w, mean, var))
    gx, gw, gb = empty(x.shape, x.dtype, x), np.empty(c, x.dtype), np.empty(c, x.dtype)
    images = pixels_apart(like(gy, x)), pixels_apart(like(y, x)), pixels_apart(x)
    _batch_norm_backward(*images, w, mean, var, float(eps), float(slope), pixels_apart(gx), gw, gb)
    return gx, gw, gb


def layer_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """Layer norm: x (R, D), w (D,), b (D,) -> y (R, D), mean (R,), biased var (R,)."""
    r, d = x.shape
    check_norm("layer_norm", x, d, w=w, b=b)
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(r, x.dtype), np.empty(r, x.dtype)
    x, w, b = (np.ascontiguousarray(array) for array in (x, w, b))
    _layer_norm(x, w, b, float(eps), y, mean, var)
    return y, mean, var


def layer_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, x (R, D), w (D,), mean, var (R,) -> gx (R, D), gw (D,), gb (D,)."""
    r, d = x.shape
    check_norm("layer_norm_backward", x, d, {"gy": gy}, w=w)
    check_norm("layer_norm_backward", x, r, mean=mean, var=var)
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(d, x.dtype), np.empty(d, x.dtype)
    x, gy, w, mean, var = (np.ascontiguousarray(array) for array in (x, gy, w, mean, var))
    _layer_norm_backward(gy, x, w, mean, var, float(eps), gx, gw, gb)
    return gx, gw, gb


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm(x: Array, w: Array, b: Array, eps: float, leak: float, y: Array, mean: Array, var: Array) -> None:
    m, length, flat_x, flat_y = x.shape[0] * x.shape[2], x.shape[2], x.reshape(-1), y.reshape(-1)
    samples, group = _strips(x.shape)
    row = samples * w.size * length
    for first in range(0, w.size, group):
        count = min(group, w.size - first)
        left, width = first * length, samples * count * length
        origin, gain, offset = np.zeros(count), np.empty(count, x.dtype), np.empty(count, x.dtype)
        few, some = min(4, x.shape[0]), min(4, length)
        for i in range(count):
            for n in range(few):
                for k in range(some):
                    origin[i] += x[n, first + i, k * length // some]
            origin[i] = origin[i] / (few * some) if math.isfinite(origin[i]) else 0
        center = _spread(origin, length, samples)
        total, square = np.zeros(width), np.zeros(width)
        fours = left
        while fours + 4 * row <= x.size:
            _add_four(_four(flat_x, fours, row, width), center, total, square)
            fours += 4 * row
        for start in range(fours, x.size, row):
            _add_moments(flat_x[start : min(start + width, x.size)], center, total, square)
        sums, squares = _by_channel(total, length, count), _by_channel(square, length, count)
        for i in range(count):
            c, shifted = first + i, sums[i] / m
            exact_mean, exact_var = origin[i] + shifted, squares[i] / m - shifted * shifted
            exact_var = 0.0 if exact_var < 0 else exact_var
            mean[c], var[c] = exact_mean, exact_var
            # Where the mean is large, subtracting it rounded to the dtype of x makes no error;
            # what the rounding cut off goes into the shift.
            exact_gain = w[c] / math.sqrt(exact_var + eps)
            gain[i] = exact_gain
            offset[i] = b[c] - (exact_mean - mean[c]) * exact_gain
        near = _spread(mean[first : first + count], length, samples)
        scale, shift = _spread(gain, length, samples), _spread(offset, length, samples)
        for start in range(left, x.size, row):
            here = slice(start, min(start + width, x.size))
            _scale_shift(flat_x[here], near, scale, shift, x.dtype.type(leak), flat_y[here])


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm_backward(
    gy: Array,
    y: Array,
    x: Array,
    w: Array,
    mean: Array,
    var: Array,
    eps: float,
    leak: float,
    gx: Array,
    gw: Array,
    gb: Array,
) -> None:
    m, length, here = x.shape[0] * x.shape[2], x.shape[2], x.dtype.type(leak)
    flat_gy, flat_y, flat_x, flat_gx = gy.reshape(-1), y.reshape(-1), x.reshape(-1), gx.reshape(-1)
    samples, group = _strips(x.shape)
    row = samples * w.size * length
    for first in range(0, w.size, group):
        count = min(group, w.size - first)
        left, width = first * length, samples * count * length
        near = _spread(mean[first : first + count], length, samples)
        total, product = np.zeros(width), np.zeros(width)
        few_total, few_product = np.empty(width, x.dtype), np.empty(width, x.dtype)
        few = FEW if samples == 1 and row * x.itemsize % 4096 == 0 else MANY
        for start in range(left, x.size, few * row):
            rows = min(x.size, start + few * row)
            sum_products(flat_gy, flat_y, flat_x, start, rows, row, near, here, few_total, few_product)
            move(few_total, total)
            move(few_product, product)
        sums, products = _by_channel(total, length, count), _by_channel(product, length, count)
        gain, tilt, offset = np.empty(count, x.dtype), np.empty(count, x.dtype), np.empty(count, x.dtype)
        for i in range(count):
            c = first + i
            s = math.sqrt(np.float64(var[c]) + eps)
            exact_gb, exact_gw = sums[i], products[i] / s
            gb[c], gw[c] = exact_gb, exact_gw
            # gx = scale * g + slope * (x - mean) + shift
            gain[i] = w[c] / s
            tilt[i] = -w[c] * exact_gw / (s * s * m)
            offset[i] = -w[c] * exact_gb / (s * m)
        scale, slope = _spread(gain, length, samples), _spread(tilt, length, samples)
        shift = _spread(offset, length, samples)
        for start in range(left, x.size, row):
            combine(flat_gy, flat_y, flat_x, start, near, here, scale, slope, shift, flat_gx)


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _layer_norm(x: Array, w: Array, b: Array, eps: float, y: Array, mean: Array, var: Array) -> None:
    d = x.shape[1]
    for r in range(x.shape[0]):
        total = 0.0
        for j in range(d):
            total += x[r, j]
        exact_mean = total / d
        total = 0.0
        for j in range(d):
            total += (x[r, j] - exact_mean) ** 2
        exact_var = total / d
        mean[r], var[r] = exact_mean, exact_var
        slope = 1 / math.sqrt(exact_var + eps)
        near, scale = mean[r], x.dtype.type(slope)
        shift = x.dtype.type((near - exact_mean) * slope)  # as in _batch_norm
        for j in range(d):
            y[r, j] = ((x[r, j] - near) * scale + shift) * w[j] + b[j]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _layer_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, gx: Array, gw: Array, gb: Array
) -> None:
    d = x.shape[1]
    total_w, total_b = np.zeros(d), np.zeros(d)
    for r in range(x.shape[0]):
        near, scale = mean[r], x.dtype.type(1 / math.sqrt(np.float64(var[r]) + eps))
        sum_g, sum_gz = 0.0, 0.0
        for j in range(d):
            z = (x[r, j] - near) * scale
            g = gy[r, j] * w[j]
            sum_g += g
            sum_gz += g * z
            total_b[j] += gy[r, j]
            total_w[j] += gy[r, j] * z
        slope, shift = x.dtype.type(-sum_gz / d), x.dtype.type(-sum_g / d)
        for j in range(d):
            z = (x[r, j] - near) * scale
            gx[r, j] = (gy[r, j] * w[j] + shift + slope * z) * scale
    for k in range(gw.size):
        gw[k], gb[k] = total_w[k], total_b[k]


# The inner loops. Each gets slices, so that its index is the plain loop variable: with an offset
# added, Numba must allow for a negative index, and LLVM then does not vectorise (8 times slower).


@njit(error_model="numpy", fastmath=FASTMATH)
def _add_four(rows: Any, center: Array, total: Array, square: Array) -> None:
    x0, x1, x2, x3 = rows
    for j in range(x0.size):
        d0, d1, d2, d3 = x0[j] - center[j], x1[j] - center[j], x2[j] - center[j], x3[j] - center[j]
        total[j] += (d0 + d1) + (d2 + d3)
        square[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)


@njit(error_model="numpy", fastmath=FASTMATH)
def _add_moments(x: Array, center: Array, total: Array, square: Array) -> None:
    for j in range(x.size):
        d = x[j] - center[j]
        total[j] += d
        square[j] += d * d


@njit(error_model="numpy", fastmath=FASTMATH)
def _scale_shift(x: Array, near: Array, scale: Array, shift: Array, leak: Any, y: Array) -> None:
    zero, one = x.dtype.type(0), x.dtype.type(1)
    if leak == one:
        for j in range(x.size):
            y[j] = (x[j] - near[j]) * scale[j] + shift[j]
    elif leak == zero:
        for j in range(x.size):
            z = (x[j] - near[j]) * scale[j] + shift[j]
            y[j] = zero if z < zero else z  # a NaN stays one
    else:
        for j in range(x.size):
            z = (x[j] - near[j]) * scale[j] + shift[j]
            y[j] = leak * z if z < zero else z


@njit(error_model="numpy")
def _four(x: Array, start: int, row: int, width: int) -> tuple[Array, Array, Array, Array]:
    """A strip of the four rows from `start` on."""
    a, b, c, d = start, start + row, start + 2 * row, start + 3 * row
    return x[a : a + width], x[b : b + width], x[c : c + width], x[d : d + width]


@njit(error_model="numpy")
def _strips(shape: tuple[int, int, int]) -> tuple[int, int]:
    """How many samples a row has, and how many channels a strip."""
    n, c, length = shape
    samples = max(1, min(n, STRIP // max(1, c * length)))
    return samples, c if samples > 1 else max(1, STRIP // max(1, length))


@njit(error_model="numpy")
def _spread(values: Array, length: int, samples: int) -> Array:
    """A number for each channel of a strip, copied to all of its columns."""
    spread, j = np.empty(samples * values.size * length, values.dtype), 0
    for _ in range(samples):
        for c in range(values.size):
            for _ in range(length):
                spread[j] = values[c]
                j += 1
    return spread


@njit(error_model="numpy", fastmath=FASTMATH)
def _by_channel(columns: Array, length: int, count: int) -> Array:
    """The sums of the columns of each channel of a strip."""
    sums = np.zeros(count)
    for start in range(0, columns.size, length):
        sums[start // length % count] += columns[start : start + length].sum()
    return sums
