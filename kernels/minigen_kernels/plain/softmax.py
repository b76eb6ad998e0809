"""Softmax over rows as loops.

Imports: NumPy, Numba. Specification: ``../reference/softmax.py``. Read next: ``softmax.cu``.
"""

# What Numba says of its own types is not all of it.
# mypy: disable-error-code="call-arg, type-var"

from __future__ import annotations

import numba
import numpy as np

from minigen_kernels import Array


@numba.njit
def softmax(x: Array) -> Array:
    """y = exp(x) / sum exp(x), the sum over each row: x (R, K) -> y (R, K), K at least 1."""
    R, K = x.shape
    y = np.empty((R, K), x.dtype)
    for r in range(R):
        largest = x[r, 0]
        for k in range(1, K):
            largest = max(largest, x[r, k])
        total = 0.0  # float64
        for k in range(K):
            y[r, k] = np.exp(x[r, k] - largest)
            total += y[r, k]
        for k in range(K):
            y[r, k] /= total
    return y
