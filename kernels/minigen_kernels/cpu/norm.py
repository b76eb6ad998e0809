"""Batch norm and layer norm on the CPU: two passes over a strip that stays in the cache, then the result.

Batch norm sees x (N, C, L) as N rows of C * L columns and works on strips of whole channels. Each
column of a strip has its own float64 sum over the rows, so the inner loop runs along contiguous
memory and is vectorised for every L, also L = 1; then the columns of a channel are added up. The
statistics of a channel (mean, scale) are copied to its columns first, for the same reason.

Imports: NumPy, Numba, elementwise; from ``reference`` the check of arguments and the running statistics. Read next:
``optim.py``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minigen_kernels import Array
from minigen_kernels.cpu.elementwise import leaky_relu_backward, leaky_relu_into
from minigen_kernels.cpu.jit import FASTMATH, njit_cached
from minigen_kernels.reference.norm import check_norm, running_statistics

STRIP = 512  # columns in a strip, if a channel has no more than that


def batch_norm(
    x: Array, w: Array, b: Array, running_mean: Array, running_var: Array, eps: float, momentum: float, slope: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Batch norm and leaky ReLU: x (N, C, L), four of (C,) -> y, and mean, biased var, running mean and var (C,)."""
    n, c, length = x.shape
    check_norm("batch_norm", x, c, w=w, b=b, running_mean=running_mean, running_var=running_var)
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    rows = (n, c * length)
    x, w, b = (np.ascontiguousarray(array) for array in (x, w, b))
    _batch_norm(x.reshape(rows), w, b, float(eps), y.reshape(rows), mean, var)
    if slope != 1:
        leaky_relu_into(y, y, slope)
    return y, mean, var, *running_statistics(mean, var, running_mean, running_var, momentum, n * length)


def batch_norm_backward(
    gy: Array, y: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, y, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,)."""
    n, c, length = x.shape
    check_norm("batch_norm_backward", x, c, {"gy": gy, "y": y}, w=w, mean=mean, var=var)
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    rows = (n, c * length)
    g = gy if slope == 1 else leaky_relu_backward(gy, y, slope)
    x, g, w, mean, var = (np.ascontiguousarray(array) for array in (x, g, w, mean, var))
    out = (gx.reshape(rows), gw, gb)
    _batch_norm_backward(g.reshape(rows), x.reshape(rows), w, mean, var, float(eps), *out)
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
def _batch_norm(x: Array, w: Array, b: Array, eps: float, y: Array, mean: Array, var: Array) -> None:
    channels, length = w.size, x.shape[1] // max(w.size, 1)
    m = x.shape[0] * length
    group = max(1, STRIP // max(length, 1))  # channels in a strip
    center, near = np.empty(group * length), np.empty(group * length, x.dtype)
    scale, shift = np.empty_like(near), np.empty_like(near)
    for first in range(0, channels, group):
        count = min(group, channels - first)
        start, stop = first * length, (first + count) * length
        total = np.zeros(stop - start)
        for n in range(x.shape[0]):
            _add(x[n, start:stop], total)
        for i in range(count):
            columns = slice(i * length, (i + 1) * length)
            center[columns] = total[columns].sum() / m
        total[:] = 0
        for n in range(x.shape[0]):
            _add_squares(x[n, start:stop], center, total)
        for i in range(count):
            c, columns = first + i, slice(i * length, (i + 1) * length)
            exact_mean, exact_var = center[i * length], total[columns].sum() / m
            mean[c], var[c] = exact_mean, exact_var
            # Where the mean is large, subtracting it rounded to the dtype of x makes no error;
            # what the rounding cut off goes into the shift.
            slope = w[c] / math.sqrt(exact_var + eps)
            near[columns], scale[columns] = mean[c], slope
            shift[columns] = b[c] - (exact_mean - mean[c]) * slope
        for n in range(x.shape[0]):
            _scale_shift(x[n, start:stop], near, scale, shift, y[n, start:stop])


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, gx: Array, gw: Array, gb: Array
) -> None:
    channels, length = w.size, x.shape[1] // max(w.size, 1)
    m = x.shape[0] * length
    group = max(1, STRIP // max(length, 1))
    near, slope = np.empty(group * length, x.dtype), np.empty(group * length, x.dtype)
    scale, shift = np.empty_like(near), np.empty_like(near)
    for first in range(0, channels, group):
        count = min(group, channels - first)
        start, stop = first * length, (first + count) * length
        for i in range(count):
            near[i * length : (i + 1) * length] = mean[first + i]
        total, product = np.zeros(stop - start), np.zeros(stop - start)
        for n in range(x.shape[0]):
            _add_products(gy[n, start:stop], x[n, start:stop], near, total, product)
        for i in range(count):
            c, columns = first + i, slice(i * length, (i + 1) * length)
            s = math.sqrt(np.float64(var[c]) + eps)
            exact_gb, exact_gw = total[columns].sum(), product[columns].sum() / s
            gb[c], gw[c] = exact_gb, exact_gw
            # gx = scale * gy + slope * (x - mean) + shift
            scale[columns] = w[c] / s
            slope[columns] = -w[c] * exact_gw / (s * s * m)
            shift[columns] = -w[c] * exact_gb / (s * m)
        for n in range(x.shape[0]):
            a, g = x[n, start:stop], gy[n, start:stop]
            _combine(g, a, near, scale, slope, shift, gx[n, start:stop])


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
def _add(x: Array, total: Array) -> None:
    for j in range(x.size):
        total[j] += x[j]


@njit(error_model="numpy", fastmath=FASTMATH)
def _add_squares(x: Array, center: Array, total: Array) -> None:
    for j in range(x.size):
        total[j] += (x[j] - center[j]) ** 2


@njit(error_model="numpy", fastmath=FASTMATH)
def _scale_shift(x: Array, near: Array, scale: Array, shift: Array, y: Array) -> None:
    for j in range(x.size):
        y[j] = (x[j] - near[j]) * scale[j] + shift[j]


@njit(error_model="numpy", fastmath=FASTMATH)
def _add_products(gy: Array, x: Array, near: Array, total: Array, product: Array) -> None:
    for j in range(x.size):
        total[j] += gy[j]
        product[j] += gy[j] * (x[j] - near[j])


@njit(error_model="numpy", fastmath=FASTMATH)
def _combine(gy: Array, x: Array, near: Array, scale: Array, slope: Array, shift: Array, gx: Array) -> None:
    for j in range(x.size):
        gx[j] = scale[j] * gy[j] + slope[j] * (x[j] - near[j]) + shift[j]
