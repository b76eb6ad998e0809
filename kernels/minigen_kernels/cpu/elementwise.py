"""Element-wise functions that NumPy lacks, in Numba.

Imports: NumPy, Numba. Specification: the same file in ``reference``. Read next: ``random.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached


@njit_cached()
def _erf(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = math.erf(x[i])


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    flat = np.ascontiguousarray(x).reshape(-1)
    y = np.empty_like(flat)
    _erf(flat, y)
    return y.reshape(x.shape)
