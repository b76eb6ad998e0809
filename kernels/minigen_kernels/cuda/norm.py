"""Batch norm and group norm in CUDA: shapes, chunks and grids here, the arithmetic in ``norm.cu``.

How a sum is cut into chunks and how many threads share one depends on the shapes alone, never on the device, so that
the bits of a result do not either.

Imports: NumPy, ``activation.py``, ``launch.py``; the check of arguments from ``reference``. Read next: ``norm.cu``,
``optim.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.activation import channel_sums
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, blocks_for, contiguous, empty, launch, zeros
from minigen_kernels.reference.norm import check_groups, check_norm

ALONE = 16384  # values of a channel that one block takes alone, in one launch
ALONE_THREADS = 512  # of such a block, for more than CHUNK values
CHUNK = 4096  # values of a channel in one block, where there are more


def batch_norm(
    x: Array, w: Array, b: Array, running_mean: Array, running_var: Array, eps: float, momentum: float, slope: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Batch norm and leaky ReLU: x (N, C, L), four of (C,) -> y, and mean, biased var, running mean and var (C,)."""
    N, C, L = x.shape
    check_norm("batch_norm", x, C, w=w, b=b, running_mean=running_mean, running_var=running_var)
    y = empty(x.shape, x.dtype)
    mean, var, new_mean, new_var = statistics = tuple(empty((C,), x.dtype) for _ in range(4))
    if x.size == 0:
        for array in statistics:
            array.fill(np.nan)  # 0 / 0, as in the other versions
        return y, mean, var, new_mean, new_var
    M = N * L
    grid, threads, chunk = _channels(C, M)
    means, squares = empty(grid, np.float64), empty(grid, np.float64)
    x, w, b, running_mean, running_var = (contiguous(array) for array in (x, w, b, running_mean, running_var))
    if grid[1] > 1:
        launch("norm.cu", "batch_norm_statistics_kernel", grid, threads, x, means, squares, M, C, L, chunk)
    operands = (x, w, b, running_mean, running_var, means, squares, y, mean, var, new_mean, new_var, M, C, L, chunk)
    numbers = (eps, 1 - momentum, momentum, momentum * M / max(M - 1, 1), slope)
    launch("norm.cu", "batch_norm_kernel", grid, threads, *operands, *numbers)
    return y, mean, var, new_mean, new_var


def batch_norm_backward(
    gy: Array, y: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, y, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,)."""
    N, C, L = x.shape
    check_norm("batch_norm_backward", x, C, {"gy": gy, "y": y}, w=w, mean=mean, var=var)
    gx = empty(x.shape, x.dtype)
    if x.size == 0:
        return gx, zeros((C,), x.dtype), zeros((C,), x.dtype)
    gw, gb = empty((C,), x.dtype), empty((C,), x.dtype)
    grid, threads, chunk = _channels(C, N * L)
    sums, products = empty(grid, np.float64), empty(grid, np.float64)
    gy, y, x, w, mean, var = (contiguous(array) for array in (gy, y, x, w, mean, var))
    sizes = (N * L, C, L, chunk)
    if grid[1] > 1:
        parts = (gy, y, x, mean, sums, products)
        launch("norm.cu", "batch_norm_backward_sums_kernel", grid, threads, *parts, *sizes, slope)
    operands = (gy, y, x, w, mean, var, sums, products, gx, gw, gb)
    launch("norm.cu", "batch_norm_backward_kernel", grid, threads, *operands, *sizes, eps, slope)
    return gx, gw, gb


def group_norm(x: Array, w: Array, b: Array, groups: int, eps: float) -> tuple[Array, Array, Array]:
    """x (N, C, L), w (C,), b (C,) -> y (N, C, L), mean (N, groups), biased var (N, groups)."""
    N, C, L = x.shape
    check_norm("group_norm", x, C, w=w, b=b)
    check_groups("group_norm", x, groups)
    y, mean, var = empty(x.shape, x.dtype), empty((N, groups), x.dtype), empty((N, groups), x.dtype)
    R, D = N * groups, C // groups * L
    operands = (contiguous(x), contiguous(w), contiguous(b), y, mean, var)
    rows = (R, D, groups, C // groups, L, eps)
    launch("norm.cu", "group_norm_kernel", blocks_for(R, threads=1), _threads(D), *operands, *rows)
    return y, mean, var


def group_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, x (N, C, L), w (C,), mean, var (N, groups) -> gx (N, C, L), gw (C,), gb (C,)."""
    N, C, L = x.shape
    check_norm("group_norm_backward", x, C, {"gy": gy}, w=w)
    check_groups("group_norm_backward", x, mean=mean, var=var)
    gx = empty(x.shape, x.dtype)
    if not x.size:
        return gx, zeros((C,), x.dtype), zeros((C,), x.dtype)
    groups = mean.shape[1]
    R, D, size = N * groups, C // groups * L, C // groups
    gy, x, w, mean, var = (contiguous(array) for array in (gy, x, w, mean, var))
    scales, gw, gb = empty((R,), x.dtype), empty((C,), x.dtype), empty((C,), x.dtype)
    rows = (gy, x, w, mean, var, gx, scales, R, D, groups, size, L, eps)
    launch("norm.cu", "group_norm_backward_kernel", blocks_for(R, threads=1), _threads(D), *rows)
    grid, sums = channel_sums(x.shape, 2)
    operands = (gy, x, mean, scales, gw, gb, groups, size, *sums)
    launch("norm.cu", "group_norm_backward_sums_kernel", grid, THREADS, *operands)
    return gx, gw, gb


def _channels(C: int, M: int) -> tuple[tuple[int, int], int, int]:
    """Grid, threads of a block and values of a chunk for C channels of M values: one chunk up to `ALONE` values."""
    if M <= ALONE:
        return (C, 1), _threads(M) if M <= CHUNK else ALONE_THREADS, M
    chunk, chunks = _chunks(M, CHUNK)
    return (C, chunks), _threads(chunk), chunk


def _chunks(n: int, size: int) -> tuple[int, int]:
    """Cut n values into chunks of `size`, or of more where that makes more than MOST_BLOCKS: (size, chunks), >= 1."""
    size = max(size, -(-n // MOST_BLOCKS))
    return size, max(1, -(-n // size))


def _threads(n: int) -> int:
    """Threads that share a sum of n values: a power of two from 32 (a warp) to THREADS."""
    return min(max(32, 1 << max(0, n - 1).bit_length()), THREADS)
