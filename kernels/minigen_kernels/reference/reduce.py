"""Sums over axes, in NumPy.

Imports: NumPy. Read next: ``../cpu/reduce.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def sum_axes(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum of x over some axes (numbers from 0 to x.ndim - 1), which the result lacks; over none: a copy.

    The terms of each sum are added in float64, in pairs, pairs of pairs, and so on, or as well as that: the error does
    not grow with their number, but with its logarithm (Higham 1993, The accuracy of floating point summation). NumPy's
    own sum does this along the axis that lies closest in memory; along any other it adds one number after another.
    """
    kept = [i for i in range(x.ndim) if i not in axes]
    terms = x.transpose(*kept, *axes).reshape(*(x.shape[i] for i in kept), -1 if x.size else 0)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(np.ascontiguousarray(terms).sum(-1, dtype=np.float64)).astype(x.dtype)
