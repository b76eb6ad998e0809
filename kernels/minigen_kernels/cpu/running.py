"""What is kept over many steps, on the CPU: in one pass over memory.

Imports: NumPy, threads; the check of arguments from ``reference``. Specification: the same file
there. Read next: ``random.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array, Arrays
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.running import check_running


def average_update(average: Arrays, value: Arrays, count: Array, decay: float, copied: int) -> None:
    """a <- a + (v - a) rest, but a <- v for the last `copied` of a list."""
    averages, values = check_running("average_update", average, value)
    rest = 1 - np.minimum(decay, (1 + count) / (10 + count))
    averaged = len(averages) - copied
    for a, v in zip(averages[:averaged], values[:averaged]):
        if a.flags.c_contiguous and a.dtype == v.dtype:
            _average(a.reshape(-1), np.ascontiguousarray(v).reshape(-1), v.dtype.type(rest))
        else:
            a += (v - a) * rest.astype(v.dtype)
    for a, v in zip(averages[averaged:], values[averaged:]):
        a[...] = v


def total_update(total: Arrays, term: Arrays, weight: float) -> None:
    """t <- t + weight x, in float64."""
    for t, x in zip(*check_running("total_update", total, term)):
        t += x.astype(np.float64) * weight


@njit_shared()
def _average(a: Array, v: Array, rest: Any) -> None:
    for i in range(a.size):
        a[i] += (v[i] - a[i]) * rest
