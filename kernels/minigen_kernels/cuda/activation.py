"""Bias and activation in CUDA: shapes, chunks and grids here, the arithmetic in ``activation.cu``.

How the rows are cut into chunks depends on the shapes alone, never on the device, so that the bits of a sum do not
either.

Imports: NumPy, ``launch.py``; the check of arguments from ``reference``. Read next: ``activation.cu``, ``norm.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, contiguous, counters, empty, launch, zeros
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.activation import check_bias_act

ROWS = 64  # rows in one block, forwards
EACH = 8  # places of a thread in one block, backwards
WIDTH = 32  # channels of a block, where they lie side by side


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
    C = y.shape[1]
    gx = empty(y.shape, y.dtype)
    if not y.size:
        return gx, zeros((C,), y.dtype)
    gb = empty((C,), y.dtype)
    grid, sums = channel_sums(y.shape)
    operands = (contiguous(gy), contiguous(y), gx, *sums[:2], gb, code, slope, *sums[2:])
    launch("activation.cu", "bias_act_backward_kernel", grid, THREADS, *operands)
    return gx, gb


def channel_sums(shape: tuple[int, ...], sums: int = 1) -> tuple[tuple[int, int], tuple[Any, ...]]:
    """The grid, and the arguments parts, counters, C, L, places, chunk, width, of the kernels that sum over channels.

    They are those of `channel_sums` in ``activation.cuh``, for `sums` sums of arrays (N, C, L).
    """
    N, C, L = shape
    width = WIDTH if L == 1 else 1
    places = N * L
    chunk = max(THREADS // width * EACH, -(-places // MOST_BLOCKS))
    grid = (-(-C // width), -(-places // chunk))
    return grid, (empty((sums * grid[1], C), np.float64), counters(sums * grid[0]), C, L, places, chunk, width)


def _grid(rows: int, columns: int) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Grid, block, and the rows of a chunk: `ROWS`, or more where that made more than `MOST_BLOCKS` chunks."""
    chunk = max(ROWS, -(-rows // MOST_BLOCKS))
    width, lanes = constants("activation.cu")["COLUMNS"], constants("activation.cu")["LANES"]
    return (-(-columns // width), -(-rows // chunk)), (width, lanes), chunk
