"""The product of two matrices as loops.

Imports: NumPy, Numba. Specification: ``../reference/gemm.py``. Read next: ``gemm.cu``.
"""

# What Numba says of its own types is not all of it.
# mypy: disable-error-code="call-arg, type-var"

from __future__ import annotations

import numba
import numpy as np

from minigen_kernels import Array


@numba.njit
def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N), both of one dtype -> (M, N)."""
    M, K = a.shape
    N = b.shape[1]
    y = np.zeros((M, N), a.dtype)
    for i in range(M):
        for j in range(N):
            for k in range(K):
                y[i, j] += a[i, k] * b[k, j]
    return y
