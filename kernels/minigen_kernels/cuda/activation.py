"""Bias and activation in CUDA: shapes, chunks and grids here, the arithmetic in ``activation.cu``.

How the rows are cut into chunks depends on the shapes alone, never on the device, so that the bits of a sum do not
either.

Imports: NumPy, ``launch.py``; the check of arguments from ``reference``. Read next: ``activation.cu``, ``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, contiguous, empty, launch, zeros
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.activation import check_bias_act

ROWS = 64  # rows in one block


def bias_act(x: Array, b: Array, activation: str, slope: float) -> Array:
    """y = activation(x + b): x (N, C, L), b (C,) -> y (N, C, L)."""
    code = check_bias_act("bias_act", x, activation, slope, b=b)
    y = empty(x.shape, x.dtype)
    if x.size:
        N, C, L = x.shape
        grid, block, chunk = _grid(N, C * L)
        operands = (contiguous(x), contiguous(b), y, code, slope, N, C * L, L, chunk)
        launch("activation.cu", "bias_act_kernel", grid, block, *operands)
    return y


def bias_act_backward(gy: Array, y: Array, activation: str, slope: float) -> tuple[Array, Array]:
    """Gradients: gy, y (N, C, L) -> gx (N, C, L), gb (C,)."""
    code = check_bias_act("bias_act_backward", y, activation, slope, gy=gy)
    N, C, L = y.shape
    gx = empty(y.shape, y.dtype)
    if not y.size:
        return gx, zeros((C,), y.dtype)
    grid, block, chunk = _grid(N, C * L)
    gb, sums = empty((C,), y.dtype), empty((grid[1], C * L), np.float64)
    operands = (contiguous(gy), contiguous(y), gx, sums, code, slope, N, C * L, chunk)
    launch("activation.cu", "bias_act_backward_kernel", grid, block, *operands)
    threads = min(max(32, 1 << (grid[1] * L - 1).bit_length()), THREADS)
    launch("activation.cu", "bias_act_finish_kernel", C, threads, sums, gb, C * L, L, grid[1])
    return gx, gb


def _grid(rows: int, columns: int) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Grid, block, and the rows of a chunk: `ROWS`, or more where that made more than `MOST_BLOCKS` chunks."""
    chunk = max(ROWS, -(-rows // MOST_BLOCKS))
    width, lanes = constants("activation.cu")["COLUMNS"], constants("activation.cu")["LANES"]
    return (-(-columns // width), -(-rows // chunk)), (width, lanes), chunk
