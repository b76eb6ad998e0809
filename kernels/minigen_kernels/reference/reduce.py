"""Sums over axes, in NumPy.

Imports: NumPy. Read next: ``../cpu/reduce.py``.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array


def sum_axes(x: Array, axes: tuple[int, ...], scale: float) -> Array:
    """The sum of x over some axes (numbers from 0 to x.ndim - 1), which the result lacks, times scale; over none: x.

    The terms of each sum are added in float64, in pairs, pairs of pairs, and so on, or as well as that: the error does
    not grow with their number, but with its logarithm (Higham 1993, The accuracy of floating point summation). NumPy's
    own sum does this along the axis that lies closest in memory; along any other it adds one number after another.
    """
    kept = [i for i in range(x.ndim) if i not in axes]
    terms = x.transpose(*kept, *axes).reshape(*(x.shape[i] for i in kept), -1 if x.size else 0)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(np.ascontiguousarray(terms).sum(-1, dtype=np.float64) * scale).astype(x.dtype)


class Plan(NamedTuple):
    """The steps of a sum; they depend only on shape, strides and axes."""

    pick: tuple[Any, ...]  # takes one number where all of a sum are the same: along axes of stride 0 (or length 1)
    repeats: int  # and so often it stands there
    order: tuple[int, ...]  # in which the axes that are left lie in memory
    runs: tuple[tuple[int, int, int], ...]  # (A, R, B) of each step
    shape: tuple[int, ...]  # of the result, its axes in the order of memory
    back: tuple[int, ...]  # puts them in the order of x


@functools.lru_cache(1024)
def plan_of_sum(shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]) -> Plan:
    """How the fast versions add up: the axes in the order of memory, so that x is (A, R, B) with the sum over R.

    For more runs of axes than one it is the same again with the result, from the innermost run outwards.
    """
    same = [i for i in axes if strides[i] == 0 or shape[i] == 1]
    others = [i for i in range(len(shape)) if i not in same]
    order = sorted(range(len(others)), key=lambda k: -abs(strides[others[k]]))
    left = [others[k] for k in order]
    runs = []
    while len(left) > len(shape) - len(axes):
        stop = 1 + max(k for k, i in enumerate(left) if i in axes)
        start = 1 + max((k for k, i in enumerate(left[:stop]) if i not in axes), default=-1)
        A, R, B = (math.prod([shape[i] for i in part]) for part in (left[:start], left[start:stop], left[stop:]))
        runs.append((A, R, B))
        left = left[:start] + left[stop:]
    return Plan(
        pick=(*(0 if i in same else slice(None) for i in range(len(shape))), ...),
        repeats=math.prod([shape[i] for i in same]),
        order=tuple(order),
        runs=tuple(runs),
        shape=tuple([shape[i] for i in left]),
        back=tuple([left.index(i) for i in sorted(left)]),
    )
