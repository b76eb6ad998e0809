"""Batch norm on the CPU: two passes over a strip that stays in the cache.

It sees x (N, C, L), channels last (N * L, C, 1), as rows of C * L columns, or of several samples if these are
short, and works on strips of whole channels. Each column of a strip has its own float64 sums over the rows, so the
inner loop runs along contiguous memory and is vectorised for every L, also L = 1; then the columns of a channel are
added up. What belongs to a channel is copied to its columns first, for the same reason.

The variance takes one pass: d is the distance from the channel's origin, which is the mean of k of its M values, and

    mean = origin + sum d / M,    var = sum d^2 / M - (sum d / M)^2.

The difference is safe: those k values alone give the variance k / M (sum d / M)^2, so what is subtracted is at most
M / k times what is left, and about 1 / k times where the values are like each other (Chan, Golub and LeVeque 1983).

Imports: NumPy, Numba, layout, norm_loops, threads; from ``reference/norm.py`` the check of arguments and the running
statistics. Read next: ``norm_loops.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.layout import dense, empty, like, pixels_apart
from minigen_kernels.cpu.norm_loops import add_moments, by_channel, combine, move, spread, sum_products
from minigen_kernels.cpu.threads import share
from minigen_kernels.reference.norm import check_norm, running_statistics

STRIP = 512  # columns in a strip, if a channel has no more than that, and about the length of a row of short samples

#: Rows whose gradients are summed in the dtype of x: as a rule, and where all begin at the same place of a page and so
#: drive each other out of the cache.
MANY, FEW = 8, 4

ROWS = 64  # of the part of a strip that one thread does, if there is one strip


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


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm(x: Array, w: Array, b: Array, eps: float, leak: float, y: Array, mean: Array, var: Array) -> None:
    samples, group = _strips(x.shape)
    share(_normalized, -(-w.size // group), 1, (x, w, b, eps, x.dtype.type(leak), y, mean, var, samples, group))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _normalized(
    begin: int,
    end: int,
    x: Array,
    w: Array,
    b: Array,
    eps: float,
    leak: Any,
    y: Array,
    mean: Array,
    var: Array,
    samples: int,
    group: int,
) -> None:
    """Strips `begin` to `end` - 1. A strip that is all of x is shared in parts."""
    m, length, flat_x, flat_y = x.shape[0] * x.shape[2], x.shape[2], x.reshape(-1), y.reshape(-1)
    row = samples * w.size * length
    for first in range(begin * group, min(end * group, w.size), group):
        count, left = min(group, w.size - first), first * length
        origin, gain, offset = np.zeros(count), np.empty(count, x.dtype), np.empty(count, x.dtype)
        few, some = min(4, x.shape[0]), min(4, length)
        for i in range(count):
            for n in range(few):
                for k in range(some):
                    origin[i] += x[n, first + i, k * length // some]
            origin[i] = origin[i] / (few * some) if math.isfinite(origin[i]) else 0
        center = spread(origin, length, samples)
        height = _height(x.size, row, samples)
        parts = np.empty((-(-x.size // (row * height)), 2, count))
        share(_moments, len(parts), 1, (flat_x, left, row, height, center, length, parts))
        for i in range(count):
            c, shifted, square = first + i, 0.0, 0.0
            for k in range(len(parts)):
                shifted += parts[k, 0, i]
                square += parts[k, 1, i]
            shifted /= m
            exact_mean, exact_var = origin[i] + shifted, square / m - shifted * shifted
            exact_var = 0.0 if exact_var < 0 else exact_var
            mean[c], var[c] = exact_mean, exact_var
            # Where the mean is large, subtracting it rounded to the dtype of x makes no error;
            # what the rounding cut off goes into the shift.
            exact_gain = w[c] / math.sqrt(exact_var + eps)
            gain[i] = exact_gain
            offset[i] = b[c] - (exact_mean - mean[c]) * exact_gain
        near = spread(mean[first : first + count], length, samples)
        scale, shift = spread(gain, length, samples), spread(offset, length, samples)
        share(_results, len(parts), 1, (flat_x, left, row, height, near, scale, shift, leak, flat_y))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _moments(
    begin: int, end: int, x: Array, left: int, row: int, height: int, center: Array, length: int, parts: Array
) -> None:
    """In parts of a strip, the sums over each channel of the distance from its origin and of its square."""
    count = parts.shape[2]
    for k in range(begin, end):
        total, square = np.zeros(center.size), np.zeros(center.size)
        start, stop = left + k * height * row, min(left + (k + 1) * height * row, x.size)
        add_moments(x, start, stop, row, center, total, square)
        sums, squares = by_channel(total, length, count), by_channel(square, length, count)
        for i in range(count):
            parts[k, 0, i], parts[k, 1, i] = sums[i], squares[i]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _results(
    begin: int,
    end: int,
    x: Array,
    left: int,
    row: int,
    height: int,
    near: Array,
    scale: Array,
    shift: Array,
    leak: Any,
    y: Array,
) -> None:
    for start in range(left + begin * height * row, min(left + end * height * row, x.size), row):
        here = slice(start, min(start + near.size, x.size))
        _scale_shift(x[here], near, scale, shift, leak, y[here])


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
    samples, group = _strips(x.shape)
    args = (gy, y, x, w, mean, var, eps, x.dtype.type(leak), gx, gw, gb, samples, group)
    share(_gradients, -(-w.size // group), 1, args)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gradients(
    begin: int,
    end: int,
    gy: Array,
    y: Array,
    x: Array,
    w: Array,
    mean: Array,
    var: Array,
    eps: float,
    leak: Any,
    gx: Array,
    gw: Array,
    gb: Array,
    samples: int,
    group: int,
) -> None:
    """Strips `begin` to `end` - 1, as in `_normalized`."""
    m, length = x.shape[0] * x.shape[2], x.shape[2]
    images = gy.reshape(-1), y.reshape(-1), x.reshape(-1)
    row = samples * w.size * length
    for first in range(begin * group, min(end * group, w.size), group):
        count, left = min(group, w.size - first), first * length
        near = spread(mean[first : first + count], length, samples)
        height = _height(x.size, row, samples)
        parts = np.empty((-(-x.size // (row * height)), 2, count))
        few = FEW if samples == 1 and row * x.itemsize % 4096 == 0 else MANY
        share(_products, len(parts), 1, (*images, left, row, height, few, near, leak, length, parts))
        gain, tilt, offset = np.empty(count, x.dtype), np.empty(count, x.dtype), np.empty(count, x.dtype)
        for i in range(count):
            c, exact_gb, exact_gw = first + i, 0.0, 0.0
            for k in range(len(parts)):
                exact_gb += parts[k, 0, i]
                exact_gw += parts[k, 1, i]
            s = math.sqrt(np.float64(var[c]) + eps)
            exact_gw /= s
            gb[c], gw[c] = exact_gb, exact_gw
            # gx = scale * g + slope * (x - mean) + shift
            gain[i] = w[c] / s
            tilt[i] = -w[c] * exact_gw / (s * s * m)
            offset[i] = -w[c] * exact_gb / (s * m)
        scale, slope = spread(gain, length, samples), spread(tilt, length, samples)
        shift = spread(offset, length, samples)
        args = (*images, left, row, height, near, leak, scale, slope, shift, gx.reshape(-1))
        share(_combined, len(parts), 1, args)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _products(
    begin: int,
    end: int,
    gy: Array,
    y: Array,
    x: Array,
    left: int,
    row: int,
    height: int,
    few: int,
    near: Array,
    leak: Any,
    length: int,
    parts: Array,
) -> None:
    """In parts of a strip, the sums over each channel of g and of g (x - mean)."""
    count = parts.shape[2]
    few_total, few_product = np.empty(near.size, x.dtype), np.empty(near.size, x.dtype)
    for k in range(begin, end):
        total, product = np.zeros(near.size), np.zeros(near.size)
        stop = min(left + (k + 1) * height * row, x.size)
        for start in range(left + k * height * row, stop, few * row):
            sum_products(gy, y, x, start, min(stop, start + few * row), row, near, leak, few_total, few_product)
            move(few_total, total)
            move(few_product, product)
        sums, products = by_channel(total, length, count), by_channel(product, length, count)
        for i in range(count):
            parts[k, 0, i], parts[k, 1, i] = sums[i], products[i]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _combined(
    begin: int,
    end: int,
    gy: Array,
    y: Array,
    x: Array,
    left: int,
    row: int,
    height: int,
    near: Array,
    leak: Any,
    scale: Array,
    slope: Array,
    shift: Array,
    gx: Array,
) -> None:
    for start in range(left + begin * height * row, min(left + end * height * row, x.size), row):
        combine(gy, y, x, start, near, leak, scale, slope, shift, gx)


@njit_inner(error_model="numpy")
def _height(size: int, row: int, samples: int) -> int:
    """How many rows a part of a strip has."""
    return ROWS if samples > 1 else -(-size // row)


# The inner loops. Each gets slices, so that its index is the plain loop variable: with an offset
# added, Numba must allow for a negative index, and LLVM then does not vectorise (8 times slower).


@njit_inner(error_model="numpy", fastmath=FASTMATH)
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


@njit_inner(error_model="numpy")
def _strips(shape: tuple[int, int, int]) -> tuple[int, int]:
    """How many samples a row has, and how many channels a strip."""
    n, c, length = shape
    samples = max(1, min(n, STRIP // max(1, c * length)))
    return samples, c if samples > 1 else max(1, STRIP // max(1, length))
