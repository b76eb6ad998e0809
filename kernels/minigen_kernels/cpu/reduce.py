"""Sums over axes on the CPU, in float64, along memory.

NumPy uses pairwise summation along the innermost axis. Along any other axis it adds row to row in the dtype of x:
after a million rows of float32 the sum has three correct digits. Here

* the axes are taken in the order of memory, as `plan_of_sum` has it;
* for B = 1 a sum runs along memory, else R rows of B columns are added to a row of sums. Four rows are added to each
  other first, so that only a quarter of the numbers is converted;
* the sums are in float64, which makes those of float32 nearly exact. For x in float64 the rounding errors are summed
  too and added last (compensated summation, Neumaier 1974).

Imports: NumPy, Numba. Specification: ``../reference/reduce.py``. Read next: ``norm.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.reference.reduce import plan_of_sum

STRIP = 1024  # columns whose sums are kept at a time
ROWS = 32  # of float64 that are added up before they go to the total
RUN = 128  # terms along memory that are, in as many partial sums as a few registers have lanes


def sum_axes(x: Array, axes: tuple[int, ...], scale: float) -> Array:
    """The sum of x over some axes, which the result lacks, times scale."""
    if x.size == 0:
        return np.zeros([n for i, n in enumerate(x.shape) if i not in axes], x.dtype)
    plan = plan_of_sum(x.shape, x.strides, axes)
    y = np.ascontiguousarray(x[plan.pick].transpose(plan.order))
    for A, R, B in plan.runs:
        terms, y = y, np.empty(A * B, x.dtype)
        if B == 1:
            _sum_runs(terms.reshape(A, R), y)
        else:
            _sum_rows(terms.reshape(A, R * B), y.reshape(A, B))
    if plan.repeats > 1 or not plan.runs:
        y = y * x.dtype.type(plan.repeats)
    if scale != 1:
        y = y * x.dtype.type(scale)
    return y.reshape(plan.shape).transpose(plan.back)


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
    A, B = y.shape
    several = max(1, min(STRIP, x.shape[1]) // B)  # short rows are joined, and their sums added up at the end
    length = several * B
    R = x.shape[1] // length
    rows = ROWS if x.itemsize == 8 else max(R, 1)
    total, rest, part = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    for i in range(A):
        for left in range(0, length, STRIP):
            width = min(STRIP, length - left)
            total[:width] = 0
            rest[:width] = 0
            part[:width] = 0
            for top in range(0, R, rows):
                bottom = min(top + rows, R)
                fours = bottom - (bottom - top) % 4
                for r in range(top, fours, 4):
                    a, b, c, d = r * length, (r + 1) * length, (r + 2) * length, (r + 3) * length
                    _four(
                        x[i, a + left : a + left + width],
                        x[i, b + left : b + left + width],
                        x[i, c + left : c + left + width],
                        x[i, d + left : d + left + width],
                        part[:width],
                    )
                for r in range(fours, bottom):
                    _one(x[i, r * length + left : r * length + left + width], part[:width])
                _move(part[:width], total[:width], rest[:width])
            if several > 1:
                last = x[i, R * length :]
                _one(last, part[: last.size])
                _move(part[:width], total[:width], rest[:width])
                for j in range(B, width, B):
                    for k in range(B):
                        part[k] = total[j + k]
                        rest[k] += rest[j + k]
                    _move(part[:B], total[:B], rest[:B])
                width = B
            for j in range(width):
                y[i, left + j] = total[j] + rest[j] if math.isfinite(rest[j]) else total[j]


# The inner loops get slices, so that they are vectorised (see the end of ``batch_norm.py``). `_move` has no fastmath:
# reordered, the rounding error would be 0.


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _run(x: Array) -> float:
    total = 0.0
    for j in range(x.size):
        total += np.float64(x[j])
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _four(a: Array, b: Array, c: Array, d: Array, part: Array) -> None:
    for j in range(part.size):
        part[j] += np.float64((a[j] + b[j]) + (c[j] + d[j]))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _one(x: Array, part: Array) -> None:
    for j in range(part.size):
        part[j] += np.float64(x[j])


@njit_inner(error_model="numpy")
def _move(part: Array, total: Array, rest: Array) -> None:
    """Add a row of sums to the total, and the rounding error of this addition to the rest (Knuth's TwoSum)."""
    for j in range(part.size):
        new = total[j] + part[j]
        came = new - total[j]
        rest[j] += (total[j] - (new - came)) + (part[j] - came)
        total[j] = new
        part[j] = 0
