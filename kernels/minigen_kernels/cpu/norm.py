"""Layer norm on the CPU: three passes over a row that stays in the cache.

Imports: NumPy, Numba; from ``reference`` the check of arguments. Read next: ``batch_norm.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached
from minigen_kernels.reference.norm import check_norm


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
