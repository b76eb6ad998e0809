"""Random numbers in CUDA, bit for bit the reference's: shapes and grids here, the steps in ``random.cu``.

The arrays are made on the current device: a draw has no argument that could say where.

Imports: NumPy, ``launch.py``. Specification: the same file in ``reference``. Read next: ``random.cu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, empty, launch


def philox(seed: int, stream: int, position: int, blocks: int) -> Array:
    """Blocks of four random words: uint32 (blocks, 4)."""
    out = empty((blocks, 4), np.uint32)
    _fill("philox_kernel", out, seed, stream, position)
    return out


def uniform(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` numbers from [0, 1): float32 or float64 (n,)."""
    return _draw("uniform_kernel", seed, stream, position, n, dtype)


def normal(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` standard normal numbers: float32 or float64 (n,)."""
    return _draw("normal_kernel", seed, stream, position, n, dtype)


def _draw(kernel: str, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """The first n values of as many whole blocks as hold them."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"random kernels: dtype is float32 or float64, got {dtype}")
    values_per_block = 16 // dtype.itemsize
    out = empty((-(-n // values_per_block), values_per_block), dtype)
    _fill(kernel, out, seed, stream, position)
    return out.reshape(-1)[:n]


def _fill(kernel: str, out: Array, seed: int, stream: int, position: int) -> None:
    """Fill out (blocks, values of a block) with the blocks from `position` on."""
    blocks = out.shape[0]
    launch("random.cu", kernel, blocks_for(blocks), THREADS, out, seed, stream, position, blocks)
