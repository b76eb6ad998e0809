"""The product of two matrices in NumPy.

Imports: NumPy. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

from minigen_kernels import Array


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N), both of one dtype -> (M, N)."""
    return a @ b
