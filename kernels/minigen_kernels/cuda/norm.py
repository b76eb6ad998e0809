"""Batch norm and layer norm in CUDA: shapes, chunks and grids here, the arithmetic in ``norm.cu``.

How a sum is cut into chunks and how many threads share one depends on the shapes alone, never on the device, so that
the bits of a result do not either.

Imports: NumPy, ``launch.py``; the check of arguments from ``reference``. Read next: ``norm.cu``, ``optim.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, blocks_for, contiguous, empty, launch, zeros
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.norm import check_norm

CHUNK = 4096  # values of a channel in one block
ROWS = 128  # rows in one block, where columns are summed


def batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """Batch norm: x (N, C, L), w (C,), b (C,) -> y (N, C, L), mean (C,), biased var (C,)."""
    N, C, L = x.shape
    check_norm("batch_norm", x, C, w=w, b=b)
    y, mean, var = empty(x.shape, x.dtype), empty((C,), x.dtype), empty((C,), x.dtype)
    if x.size == 0:
        mean.fill(np.nan)  # 0 / 0, as in the other versions
        var.fill(np.nan)
        return y, mean, var
    chunk, chunks = _chunks(N * L, CHUNK)
    grid, threads, sizes = (C, chunks), _threads(min(N * L, chunk)), (N * L, C, L, chunk)
    means, squares = empty(grid, np.float64), empty(grid, np.float64)
    x, w, b = (contiguous(array) for array in (x, w, b))
    launch("norm.cu", "batch_norm_statistics_kernel", grid, threads, x, means, squares, *sizes)
    launch("norm.cu", "batch_norm_apply_kernel", grid, threads, x, w, b, means, squares, y, mean, var, *sizes, eps)
    return y, mean, var


def batch_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,)."""
    N, C, L = x.shape
    check_norm("batch_norm_backward", x, C, gy, w=w, mean=mean, var=var)
    gx = empty(x.shape, x.dtype)
    if x.size == 0:
        return gx, zeros((C,), x.dtype), zeros((C,), x.dtype)
    gw, gb = empty((C,), x.dtype), empty((C,), x.dtype)
    chunk, chunks = _chunks(N * L, CHUNK)
    grid, threads, sizes = (C, chunks), _threads(min(N * L, chunk)), (N * L, C, L, chunk)
    sums, products = empty(grid, np.float64), empty(grid, np.float64)
    gy, x, w, mean, var = (contiguous(array) for array in (gy, x, w, mean, var))
    launch("norm.cu", "batch_norm_backward_sums_kernel", grid, threads, gy, x, mean, sums, products, *sizes)
    operands = (gy, x, w, mean, var, sums, products, gx, gw, gb)
    launch("norm.cu", "batch_norm_backward_kernel", grid, threads, *operands, *sizes, eps)
    return gx, gw, gb


def layer_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """Layer norm: x (R, D), w (D,), b (D,) -> y (R, D), mean (R,), biased var (R,)."""
    R, D = x.shape
    check_norm("layer_norm", x, D, w=w, b=b)
    y, mean, var = empty(x.shape, x.dtype), empty((R,), x.dtype), empty((R,), x.dtype)
    operands = (contiguous(x), contiguous(w), contiguous(b), y, mean, var)
    launch("norm.cu", "layer_norm_kernel", blocks_for(R, threads=1), _threads(D), *operands, R, D, eps)
    return y, mean, var


def layer_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients: gy, x (R, D), w (D,), mean, var (R,) -> gx (R, D), gw (D,), gb (D,)."""
    R, D = x.shape
    check_norm("layer_norm_backward", x, D, gy, w=w)
    check_norm("layer_norm_backward", x, R, mean=mean, var=var)
    gx, gw, gb = empty(x.shape, x.dtype), empty((D,), x.dtype), empty((D,), x.dtype)
    gy, x, w, mean, var = (contiguous(array) for array in (gy, x, w, mean, var))
    scales = empty((R,), x.dtype)
    row_wise = (gy, x, w, mean, var, gx, scales)
    launch("norm.cu", "layer_norm_backward_kernel", blocks_for(R, threads=1), _threads(D), *row_wise, R, D, eps)
    columns, lanes = constants("norm.cu")["COLUMNS"], constants("norm.cu")["LANES"]
    chunk, chunks = _chunks(R, ROWS)
    products, sums = empty((chunks, D), np.float64), empty((chunks, D), np.float64)
    grid, block = (max(1, -(-D // columns)), chunks), (columns, lanes)
    column_wise = (gy, x, mean, scales, products, sums)
    launch("norm.cu", "layer_norm_backward_columns_kernel", grid, block, *column_wise, R, D, chunk)
    last = (products, sums, gw, gb, D, chunks)
    launch("norm.cu", "layer_norm_backward_finish_kernel", blocks_for(D), THREADS, *last)
    return gx, gw, gb


def _chunks(n: int, size: int) -> tuple[int, int]:
    """Cut n values into chunks of `size`, or of more where that makes more than MOST_BLOCKS: (size, chunks), >= 1."""
    size = max(size, -(-n // MOST_BLOCKS))
    return size, max(1, -(-n // size))


def _threads(n: int) -> int:
    """Threads that share a sum of n values: a power of two from 32 (a warp) to THREADS."""
    return min(max(32, 1 << max(0, n - 1).bit_length()), THREADS)
