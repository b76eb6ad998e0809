"""Sums over axes on the CPU, in float64, along memory.

NumPy uses pairwise summation along the innermost axis. Along any other axis it adds row to row in the dtype of x:
after a million rows of float32 the sum has three correct digits. Here

* the axes are taken in the order of memory, so that x is (A, R, B) with the sum over R, and for more runs of axes than
  one the same again with the result, from the innermost run outwards;
* for B = 1 a sum runs along memory, else R rows of B columns are added to a row of sums. Four rows are added to each
  other first, so that only a quarter of the numbers is converted;
* the sums are in float64, which makes those of float32 nearly exact. For x in float64 the rounding errors are summed
  too and added last (compensated summation, Neumaier 1974).

Imports: NumPy, Numba. Specification: ``../reference/reduce.py``. Read next: ``norm.py``.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached

STRIP = 1024  # columns whose sums are kept at a time
ROWS = 32  # of float64 that are added up before they go to the total
RUN = 128  # terms along memory that are, in as many partial sums as a few registers have lanes


class Plan(NamedTuple):
    """The steps of a sum; they depend only on shape, strides and axes."""

    pick: tuple[Any, ...]  # takes one number where all of a sum are the same: along axes of stride 0 (or length 1)
    repeats: int  # and so often it stands there
    order: tuple[int, ...]  # in which the axes that are left lie in memory
    runs: tuple[tuple[int, int, int], ...]  # (A, R, B) of each step
    shape: tuple[int, ...]  # of the result, its axes in the order of memory
    back: tuple[int, ...]  # puts them in the order of x


def sum_axes(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum of x over some axes, which the result lacks."""
    if x.size == 0:
        return np.zeros([n for i, n in enumerate(x.shape) if i not in axes], x.dtype)
    plan = _plan(x.shape, x.strides, axes)
    y = np.ascontiguousarray(x[plan.pick].transpose(plan.order))
    for A, R, B in plan.runs:
        terms, y = y, np.empty(A * B, x.dtype)
        if B == 1:
            _sum_runs(terms.reshape(A, R), y)
        else:
            _sum_rows(terms.reshape(A, R, B), y.reshape(A, B))
    if plan.repeats > 1 or not plan.runs:
        y = y * x.dtype.type(plan.repeats)
    return y.reshape(plan.shape).transpose(plan.back)


@functools.lru_cache(1024)
def _plan(shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]) -> Plan:
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


@njit_cached(error_model="numpy")
def _sum_runs(x: Array, y: Array) -> None:
    for i in range(x.shape[0]):
        total, rest = 0.0, 0.0
        for start in range(0, x.shape[1], RUN):
            part = _run(x[i, start : start + RUN])
            new = total + part
            came = new - total
            rest += (total - (new - came)) + (part - came)
            total = new
        y[i] = total + rest if math.isfinite(rest) else total  # Inf - Inf is no rest


@njit_cached(error_model="numpy")
def _sum_rows(x: Array, y: Array) -> None:
    A, R, B = x.shape
    rows = ROWS if x.itemsize == 8 else R
    total, rest, part = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    for i in range(A):
        for left in range(0, B, STRIP):
            here = slice(left, min(left + STRIP, B))
            width = here.stop - left
            total[:width] = 0
            rest[:width] = 0
            part[:width] = 0
            for top in range(0, R, rows):
                bottom = min(top + rows, R)
                fours = bottom - (bottom - top) % 4
                for r in range(top, fours, 4):
                    _four(x[i, r, here], x[i, r + 1, here], x[i, r + 2, here], x[i, r + 3, here], part[:width])
                for r in range(fours, bottom):
                    _one(x[i, r, here], part[:width])
                _move(part[:width], total[:width], rest[:width])
            for j in range(width):
                y[i, left + j] = total[j] + rest[j] if math.isfinite(rest[j]) else total[j]


# The inner loops get slices, so that they are vectorised (see the end of ``norm.py``). `_move` has no fastmath:
# reordered, the rounding error would be 0.


@njit(error_model="numpy", fastmath=FASTMATH)
def _run(x: Array) -> float:
    total = 0.0
    for j in range(x.size):
        total += np.float64(x[j])
    return total


@njit(error_model="numpy", fastmath=FASTMATH)
def _four(a: Array, b: Array, c: Array, d: Array, part: Array) -> None:
    for j in range(part.size):
        part[j] += np.float64((a[j] + b[j]) + (c[j] + d[j]))


@njit(error_model="numpy", fastmath=FASTMATH)
def _one(x: Array, part: Array) -> None:
    for j in range(part.size):
        part[j] += np.float64(x[j])


@njit(error_model="numpy")
def _move(part: Array, total: Array, rest: Array) -> None:
    """Add a row of sums to the total, and the rounding error of this addition to the rest (Knuth's TwoSum)."""
    for j in range(part.size):
        new = total[j] + part[j]
        came = new - total[j]
        rest[j] += (total[j] - (new - came)) + (part[j] - came)
        total[j] = new
        part[j] = 0
