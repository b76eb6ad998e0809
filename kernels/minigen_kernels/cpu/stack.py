"""Products of stacks of matrices, whose rows may lie apart.

Threads share the matrices; each product is cut as in ``product.py``, so its bits depend on the length of its sums.

Imports: NumPy, ``jit.py``, ``product.py``, ``threads.py``. Read next: ``product.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.product import SPARE, Plan, copy_rows, cuts, multiply, second_cache
from minigen_kernels.cpu.threads import share

Places = tuple[int, int, int]  # the distances of two matrices, of two rows, and of two columns


def multiply_stack(a: Array, b: Array, c: Array) -> None:
    """c[s] = a[s] @ b[s]: a (S, M, K), b (S, K, N), c (S, M, N). One of a, or of b, may be for all: S is 1 there.

    In c the numbers of a row are neighbours in memory. A factor is copied if those of neither row nor column are.
    """
    M, K, N = *a.shape[1:], b.shape[2]
    if c.size == 0 or K == 0:
        c[...] = 0
        return
    a, b = (x if x.itemsize in x.strides[1:] else np.ascontiguousarray(x) for x in (a, b))
    of_a, of_b, of_c = map(_places, (a, b, c))
    a_turned, b_turned = of_a[2] != 1, of_b[2] != 1
    depth, height, width, _, _ = cuts(M, K, N, a_turned, b_turned, a.itemsize, second_cache())
    plan = (depth, height, width, a_turned or (M > 1 and of_a[1] != K), True)
    _multiply_stack(len(c), _line(a), of_a, _line(b), of_b, _line(c), of_c, (M, K, N), plan)


def _places(x: Array) -> Places:
    """The distances in numbers. Along an axis of length 1 any distance is right."""
    apart, row, column = (step // x.itemsize for step in x.strides)
    return apart if len(x) > 1 else 0, row, column if x.shape[2] > 1 else 1


def _line(x: Array) -> Array:
    """The memory from the first to the last number of x."""
    length = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.strides)) // x.itemsize
    return as_strided(x, (length,), (x.itemsize,))


@njit_cached(error_model="numpy")
def _multiply_stack(
    count: int, a: Array, of_a: Places, b: Array, of_b: Places, c: Array, of_c: Places, shape: Places, plan: Plan
) -> None:
    share(_stack_part, count, 1, (a, of_a, b, of_b, c, of_c, shape, plan))


@njit_inner(error_model="numpy")
def _stack_part(
    start: int, end: int, a: Array, of_a: Places, b: Array, of_b: Places, c: Array, of_c: Places, shape: Places,
    plan: Plan,
) -> None:  # fmt: skip
    """Matrices start, ..., end - 1."""
    M, K, N = shape
    depth, height, width, copy_a, _ = plan
    blocks, strips = (M + height - 1) // height, (N + width - 1) // width
    packed = np.empty(blocks * height * (depth + SPARE) if copy_a else 0, a.dtype)
    nothing = np.empty(0, a.dtype)
    for s in range(start, end):
        first, second, target = a[s * of_a[0] :], b[s * of_b[0] :], c[s * of_c[0] :]
        for k in range(0, K, depth):
            if copy_a:
                copy_rows(0, blocks, packed, first, of_a[1:], k, K, M, plan)
            multiply(
                0, blocks * strips, packed, first, of_a[1:], nothing, second, of_b[1:], target, (M, N, of_c[1]), k, K,
                plan,
            )  # fmt: skip
