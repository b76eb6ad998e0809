"""The product of two matrices on a CUDA device: cuBLAS, through CuPy. There is no source of ours beside this file.

Imports: nothing. Read next: ``elementwise.py``.
"""

from __future__ import annotations

from minigen_kernels import Array


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N) -> (M, N)."""
    return a @ b
