"""Batch norm and layer norm on the CPU: two passes over a piece that stays in the cache, then the result.

Batch norm sees x (N, C, L) as N rows of C * L columns and works on strips of whole channels. Each
column of a strip has its own float64 sum over the rows, so the inner loop runs along contiguous
memory and is vectorised for every L, also L = 1; then the columns of a channel are added up. What
belongs to a channel (mean, scale) is spread over its columns first, for the same reason.

Imports: NumPy, Numba. Read next: ``optim.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached

STRIP = 512  # columns in a strip, if a channel has no more than that


def batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """x (N, C, L), w (C,), b (C,) -> y (N, C, L), mean (C,), biased var (C,)."""
    n, c, length = x.shape
    w, b = _check("batch_norm", x.dtype, (c,), w=w, b=b)
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    rows = np.ascontiguousarray(x).reshape(n, c * length)
    _batch_norm(rows, w, b, float(eps), y.reshape(n, c * length), mean, var)
    return y, mean, var


def batch_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """gy, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,)."""
    n, c, length = x.shape
    (gy,) = _check("batch_norm_backward", x.dtype, x.shape, gy=gy)
    w, mean, var = _check("batch_norm_backward", x.dtype, (c,), w=w, mean=mean, var=var)
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    rows = (n, c * length)
    x, gy = np.ascontiguousarray(x).reshape(rows), gy.reshape(rows)
    _batch_norm_backward(gy, x, w, mean, var, float(eps), gx.reshape(rows), gw, gb)
    return gx, gw, gb


def layer_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """x (R, D), w (D,), b (D,) -> y (R, D), mean (R,), biased var (R,)."""
    r, d = x.shape
    w, b = _check("layer_norm", x.dtype, (d,), w=w, b=b)
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(r, x.dtype), np.empty(r, x.dtype)
    _layer_norm(np.ascontiguousarray(x), w, b, float(eps), y, mean, var)
    return y, mean, var


def layer_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """gy, x (R, D), w (D,), mean, var (R,) -> gx (R, D), gw (D,), gb (D,)."""
    r, d = x.shape
    (gy,) = _check("layer_norm_backward", x.dtype, x.shape, gy=gy)
    (w,) = _check("layer_norm_backward", x.dtype, (d,), w=w)
    mean, var = _check("layer_norm_backward", x.dtype, (r,), mean=mean, var=var)
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(d, x.dtype), np.empty(d, x.dtype)
    _layer_norm_backward(gy, np.ascontiguousarray(x), w, mean, var, float(eps), gx, gw, gb)
    return gx, gw, gb


def _check(name: str, dtype: np.dtype, shape: tuple[int, ...], **arrays: Array) -> list[Array]:
    """The arrays, contiguous. Compiled code does not check bounds, so a wrong shape must stop here."""
    for argument, array in arrays.items():
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, "
                f"but x asks for {shape} and {dtype}"
            )
    return [np.ascontiguousarray(array) for array in arrays.values()]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm(x, w, b, eps, y, mean, var):  # type: ignore[no-untyped-def]
    channels, length = w.size, x.shape[1] // max(w.size, 1)
    group = max(1, STRIP // max(length, 1))  # channels in a strip
    total, center = np.empty(group * length), np.empty(group * length)
    near, scale = np.empty(group * length, x.dtype), np.empty(group * length, x.dtype)
    shift = np.empty(group * length, x.dtype)
    m = x.shape[0] * length
    for first in range(0, channels, group):
        count = min(group, channels - first)
        start, width = first * length, count * length
        total[:] = 0
        for n in range(x.shape[0]):
            for j in range(width):
                total[j] += x[n, start + j]
        for i in range(count):
            center[i * length : (i + 1) * length] = total[i * length : (i + 1) * length].sum() / m
        total[:] = 0
        for n in range(x.shape[0]):
            for j in range(width):
                total[j] += (x[n, start + j] - center[j]) ** 2
        for i in range(count):
            c, columns = first + i, slice(i * length, (i + 1) * length)
            exact_mean, exact_var = center[i * length], total[columns].sum() / m
            mean[c], var[c] = exact_mean, exact_var
            # Subtracting the rounded mean in the dtype of x is exact where the mean is large; what
            # the rounding left goes into the shift.
            slope = w[c] / math.sqrt(exact_var + eps)
            near[columns], scale[columns] = mean[c], slope
            shift[columns] = b[c] - (exact_mean - mean[c]) * slope
        for n in range(x.shape[0]):
            for j in range(width):
                y[n, start + j] = (x[n, start + j] - near[j]) * scale[j] + shift[j]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _batch_norm_backward(gy, x, w, mean, var, eps, gx, gw, gb):  # type: ignore[no-untyped-def]
    channels, length = w.size, x.shape[1] // max(w.size, 1)
    group = max(1, STRIP // max(length, 1))
    total, product = np.empty(group * length), np.empty(group * length)
    near, scale = np.empty(group * length, x.dtype), np.empty(group * length, x.dtype)
    slope, shift = np.empty(group * length, x.dtype), np.empty(group * length, x.dtype)
    m = x.shape[0] * length
    for first in range(0, channels, group):
        count = min(group, channels - first)
        start, width = first * length, count * length
        for i in range(count):
            near[i * length : (i + 1) * length] = mean[first + i]
        total[:] = 0
        product[:] = 0
        for n in range(x.shape[0]):
            for j in range(width):
                g = gy[n, start + j]
                total[j] += g
                product[j] += g * (x[n, start + j] - near[j])
        for i in range(count):
            c, columns = first + i, slice(i * length, (i + 1) * length)
            s = math.sqrt(var[c] + eps)
            exact_gb, exact_gw = total[columns].sum(), product[columns].sum() / s
            gb[c], gw[c] = exact_gb, exact_gw
            # gx = scale * gy + slope * (x - mean) + shift
            scale[columns] = w[c] / s
            slope[columns] = -w[c] * exact_gw / (s * s * m)
            shift[columns] = -w[c] * exact_gb / (s * m)
        for n in range(x.shape[0]):
            for j in range(width):
                away = x[n, start + j] - near[j]
                gx[n, start + j] = scale[j] * gy[n, start + j] + slope[j] * away + shift[j]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _layer_norm(x, w, b, eps, y, mean, var):  # type: ignore[no-untyped-def]
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
        inverse = 1 / math.sqrt(exact_var + eps)
        near, scale = mean[r], x.dtype.type(inverse)
        shift = x.dtype.type((near - exact_mean) * inverse)  # see _batch_norm
        for j in range(d):
            y[r, j] = ((x[r, j] - near) * scale + shift) * w[j] + b[j]


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _layer_norm_backward(gy, x, w, mean, var, eps, gx, gw, gb):  # type: ignore[no-untyped-def]
    d = x.shape[1]
    total_w, total_b = np.zeros(d), np.zeros(d)
    for r in range(x.shape[0]):
        near, scale = mean[r], x.dtype.type(1 / math.sqrt(var[r] + eps))
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
    gw[:] = total_w
    gb[:] = total_b
