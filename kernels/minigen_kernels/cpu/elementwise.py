"""Element-wise functions that NumPy lacks or does slowly, in Numba.

Imports: NumPy, Numba. Specification: the same file in ``reference``. Read next: ``random.py``.
"""

from __future__ import annotations

import math
from typing import Any

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


@njit_cached()
def _scale_where(x: Array, condition: Array, slope: Any, y: Array) -> None:
    for i in range(x.size):
        y[i] = x[i] if condition[i] else slope * x[i]


@njit_cached()
def _keep_where(x: Array, condition: Array, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] if condition[i] else zero


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """y = x where `condition` is true, else slope * x; for slope 0 exactly 0. NumPy's where takes 10 times as long."""
    flat = np.ascontiguousarray(x).reshape(-1)
    mask = np.ascontiguousarray(condition).reshape(-1)
    y = np.empty_like(flat)
    if slope == 0:
        _keep_where(flat, mask, y)
    else:
        _scale_where(flat, mask, x.dtype.type(slope), y)
    return y.reshape(x.shape)
