"""Sums over axes on a CUDA device: CuPy's reduction, told to add in float64. There is no source of ours beside it.

CuPy gives each result a block of threads. Each adds its share one number after another, and then the threads are added
up in a tree. Where rows are many the shares are long: a million rows of float32 would lose digits, float64 has enough.

Imports: NumPy. Specification: ``../reference/reduce.py``. Read next: ``elementwise.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def sum_axes(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum of x over some axes, which the result lacks."""
    return x.sum(axes, dtype=np.float64).astype(x.dtype, copy=False)
