"""Group norm on the CPU, sample by sample, in the cache; and layer norm, which is one group of samples with one place.

Samples are shared by threads, in pieces of some samples. The gradients in w and b are sums over samples: each piece has
sums of its own, in float64, which are added in order.

Imports: NumPy, Numba, group_norm_loops, layout, threads; from ``reference`` the check of arguments. Read next:
``group_norm_loops.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.group_norm_loops import (
    combine_columns,
    combine_planes,
    gradients_of_rows,
    moments_of_columns,
    moments_of_planes,
    normalize_rows,
    products_of_columns,
    products_of_planes,
    scale_columns,
    scale_planes,
)
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.layout import dense, empty, like
from minigen_kernels.cpu.threads import PIECE, share
from minigen_kernels.reference.norm import check_groups, check_norm

#: How a sample lies: one number of each channel; the channels of a place side by side; or the places of a channel.
ROW, COLUMNS, PLANES = range(3)
MOST_PIECES = 64  # of the samples


def group_norm(x: Array, w: Array, b: Array, groups: int, eps: float) -> tuple[Array, Array, Array]:
    """x (N, C, L), w (C,), b (C,) -> y (N, C, L), mean (N, groups), biased var (N, groups)."""
    n, c, _ = x.shape
    check_norm("group_norm", x, c, w=w, b=b)
    check_groups("group_norm", x, groups)
    x, w, b = dense(x), np.ascontiguousarray(w), np.ascontiguousarray(b)
    y, mean, var = empty(x.shape, x.dtype, x), np.empty((n, groups), x.dtype), np.empty((n, groups), x.dtype)
    if x.size:
        _group_norm(samples(x), w, b, way_of(x), float(eps), samples(y), mean, var, samples_of_piece(x))
    return y, mean, var


def group_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, x (N, C, L), w (C,), mean, var (N, groups) -> gx (N, C, L), gw (C,), gb (C,)."""
    c = x.shape[1]
    check_norm("group_norm_backward", x, c, {"gy": gy}, w=w)
    check_groups("group_norm_backward", x, mean=mean, var=var)
    x, w, mean, var = dense(x), *(np.ascontiguousarray(array) for array in (w, mean, var))
    gx, gw, gb = empty(x.shape, x.dtype, x), np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    if x.size:
        images = samples(like(gy, x)), samples(x)
        _group_norm_backward(*images, w, mean, var, way_of(x), float(eps), samples(gx), gw, gb, samples_of_piece(x))
    return gx, gw, gb


def samples(x: Array) -> Array:
    """The memory of each sample: (N, C * L)."""
    return (x if x.flags.c_contiguous else x.transpose(0, 2, 1)).reshape(len(x), -1)


def way_of(x: Array) -> int:
    """How the samples of a dense x (N, C, L) lie."""
    return ROW if x.shape[2] == 1 else PLANES if x.flags.c_contiguous else COLUMNS


def samples_of_piece(x: Array) -> int:
    """How many samples a piece has."""
    n, size = len(x), x.shape[1] * x.shape[2]
    return max(1, 2 * PIECE // size, -(-n // MOST_PIECES))


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _group_norm(
    x: Array, w: Array, b: Array, way: int, eps: float, y: Array, mean: Array, var: Array, some: int
) -> None:
    share(_normalized, x.shape[0], some, (x, w, b, way, eps, y, mean, var))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _normalized(
    begin: int, end: int, x: Array, w: Array, b: Array, way: int, eps: float, y: Array, mean: Array, var: Array
) -> None:
    """Samples `begin` to `end` - 1."""
    C, groups = w.size, mean.shape[1]
    size, values = C // groups, x.shape[1] // groups  # channels and numbers of a group
    if way == ROW:
        rows, of_rows = (groups * x.shape[0], size), (w.reshape(groups, size), b.reshape(groups, size))
        first, last, statistics = begin * groups, end * groups, (mean.reshape(-1), var.reshape(-1))
        normalize_rows(first, last, x.reshape(rows), *of_rows, eps, y.reshape(rows), *statistics)
        return
    origin, sums, squares = np.empty(groups), np.empty(groups), np.empty(groups)
    near, gain, offset = np.empty(C, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
    for n in range(begin, end):
        if way == PLANES:
            moments_of_planes(x[n], origin, sums, squares)
        else:
            moments_of_columns(x[n], C, origin, sums, squares)
        for g in range(groups):
            shifted = sums[g] / values
            exact_mean, exact_var = origin[g] + shifted, squares[g] / values - shifted * shifted
            exact_var = 0.0 if exact_var < 0 else exact_var
            mean[n, g], var[n, g] = exact_mean, exact_var
            slope = 1 / math.sqrt(exact_var + eps)
            for c in range(g * size, (g + 1) * size):
                near[c], gain[c] = mean[n, g], w[c] * slope
                offset[c] = b[c] - (exact_mean - mean[n, g]) * slope * w[c]  # what the rounding of the mean cut off
        if way == PLANES:
            scale_planes(x[n], near, gain, offset, y[n])
        else:
            scale_columns(x[n], near, gain, offset, y[n])


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _group_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, way: int, eps: float, gx: Array, gw: Array, gb: Array,
    some: int,
) -> None:  # fmt: skip
    parts = np.zeros((-(-x.shape[0] // some), 2, w.size))
    share(_gradients, len(parts), 1, (gy, x, w, mean, var, way, eps, gx, some, parts))
    for part in range(1, len(parts)):
        for c in range(w.size):
            parts[0, 0, c] += parts[part, 0, c]
            parts[0, 1, c] += parts[part, 1, c]
    for c in range(w.size):
        gb[c], gw[c] = parts[0, 0, c], parts[0, 1, c]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gradients(
    begin: int, end: int, gy: Array, x: Array, w: Array, mean: Array, var: Array, way: int, eps: float, gx: Array,
    some: int, parts: Array,
) -> None:  # fmt: skip
    """Pieces `begin` to `end` - 1: gradients in x, and for each channel the sums of gy and of gy z."""
    groups = mean.shape[1]
    size = w.size // groups
    for part in range(begin, end):
        first, last = part * some, min((part + 1) * some, x.shape[0])
        if way == ROW:
            rows = (x.shape[0] * groups, size)
            gradients_of_rows(
                first * groups, last * groups, gy.reshape(rows), x.reshape(rows), w.reshape(groups, size),
                mean.reshape(-1), var.reshape(-1), eps, gx.reshape(rows), parts[part].reshape(2, groups, size),
            )  # fmt: skip
        else:
            _gradients_of_images(first, last, gy, x, w, mean, var, way, eps, gx, parts[part])


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gradients_of_images(
    first: int, last: int, gy: Array, x: Array, w: Array, mean: Array, var: Array, way: int, eps: float, gx: Array,
    sums: Array,
) -> None:  # fmt: skip
    """The same for samples `first` to `last` - 1: gx = gain gy + slope (x - near) + shift."""
    C, groups = w.size, mean.shape[1]
    size, values = C // groups, x.shape[1] // groups
    total, product = np.empty(C), np.empty(C)
    near, gain = np.empty(C, x.dtype), np.empty(C, x.dtype)
    slope, shift = np.empty(C, x.dtype), np.empty(C, x.dtype)
    for n in range(first, last):
        for g in range(groups):
            for c in range(g * size, (g + 1) * size):
                near[c] = mean[n, g]
        if way == PLANES:
            products_of_planes(gy[n], x[n], near, total, product)
        else:
            products_of_columns(gy[n], x[n], near, total, product)
        for g in range(groups):
            s, sum_g, sum_gz = math.sqrt(np.float64(var[n, g]) + eps), 0.0, 0.0
            for c in range(g * size, (g + 1) * size):
                product[c] /= s
                sum_g += w[c] * total[c]
                sum_gz += w[c] * product[c]
                sums[0, c] += total[c]
                sums[1, c] += product[c]
            for c in range(g * size, (g + 1) * size):
                gain[c], slope[c], shift[c] = w[c] / s, -sum_gz / (values * s * s), -sum_g / (values * s)
        if way == PLANES:
            combine_planes(gy[n], x[n], near, gain, slope, shift, gx[n])
        else:
            combine_columns(gy[n], x[n], near, gain, slope, shift, gx[n])
