"""Sums over axes in CUDA: the order of axes and the grids here, the arithmetic in ``reduce.cu``.

How the terms of a sum are shared out depends on the shapes alone, never on the device, so that its bits do not either.

Imports: NumPy, ``launch.py``; from ``reference`` the order of axes. Read next: ``reduce.cu``, ``elementwise.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, contiguous, empty, launch, zeros
from minigen_kernels.reference.reduce import plan_of_sum

CHUNK = 16384  # terms of a long sum in one block, where there are few sums; more where that made too many blocks
FEW = 64  # sums


def sum_axes(x: Array, axes: tuple[int, ...], scale: float) -> Array:
    """The sum of x over some axes, which the result lacks, times scale."""
    if x.size == 0:
        return zeros(tuple(n for i, n in enumerate(x.shape) if i not in axes), x.dtype)
    plan = plan_of_sum(x.shape, x.strides, axes)
    y, factor = contiguous(x[plan.pick].transpose(plan.order)), scale * plan.repeats
    runs = plan.runs or ((y.size, 1, 1),)
    for i, run in enumerate(runs):
        y = _sum(y, *run, factor if i == len(runs) - 1 else 1.0)
    return y.reshape(plan.shape).transpose(plan.back)


def _sum(x: Array, A: int, R: int, B: int, scale: float) -> Array:
    """The sums over R of x, which is (A, R, B): one launch, or two for few and long sums."""
    y, count = empty((A * B,), x.dtype), A * B
    chunk = max(CHUNK, -(-R // MOST_BLOCKS))
    chunks = -(-R // chunk) if count <= FEW else 1
    if chunks > 1:
        lanes = THREADS
    else:  # neighbours in memory go to neighbouring threads: those of other sums, or of one
        lanes, chunk = 1 if R == 1 or (B > 1 and (R <= 32 or count >= CHUNK)) else 32 if R <= 1024 else THREADS, R
    blocks = min(-(-count * lanes // THREADS), MOST_BLOCKS), chunks
    partial = empty((count, chunks) if chunks > 1 else (1,), np.float64)
    launch("reduce.cu", "sum_kernel", blocks, THREADS, x, y, partial, count, R, B, lanes, chunk, scale)
    if chunks > 1:
        launch("reduce.cu", "sum_of_chunks_kernel", count, 32, partial, y, chunks, scale)
    return y
