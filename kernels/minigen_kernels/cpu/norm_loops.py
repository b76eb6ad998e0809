"""Channels and columns of batch and group norm, and the inner loops of their gradients, in registers.

g is the gradient before the leaky ReLU that ends batch norm: `leaky_gradient` of gy; with a leak of 1 it is gy.

Imports: NumPy, Numba, choices, lanes. Read next: ``optim.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.choices import leaky_gradient
from minigen_kernels.cpu.jit import FASTMATH, njit_inner
from minigen_kernels.cpu.lanes import add, lane_count, load, mul_add, put, splat, store, subtract, take


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def move(few: Array, total: Array) -> None:
    """Add sums in the dtype of x to those in float64."""
    for j in range(few.size):
        total[j] += few[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def add_moments(x: Array, start: int, stop: int, row: int, center: Array, total: Array, square: Array) -> None:
    """In a strip of some rows, add for each column the distances from its center, and their squares."""
    width = center.size
    while start + 3 * row + width <= stop:
        _add_four(_four(x, start, row, width), center, total, square)
        start += 4 * row
    for at in range(start, stop, row):
        _add_one(x[at : min(at + width, x.size)], center, total, square)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _add_four(rows: Any, center: Array, total: Array, square: Array) -> None:
    x0, x1, x2, x3 = rows
    for j in range(x0.size):
        d0, d1, d2, d3 = x0[j] - center[j], x1[j] - center[j], x2[j] - center[j], x3[j] - center[j]
        total[j] += (d0 + d1) + (d2 + d3)
        square[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _add_one(x: Array, center: Array, total: Array, square: Array) -> None:
    for j in range(x.size):
        d = x[j] - center[j]
        total[j] += d
        square[j] += d * d


@njit_inner(error_model="numpy")
def _four(x: Array, start: int, row: int, width: int) -> tuple[Array, Array, Array, Array]:
    """A strip of the four rows from `start` on."""
    a, b, c, d = start, start + row, start + 2 * row, start + 3 * row
    return x[a : a + width], x[b : b + width], x[c : c + width], x[d : d + width]


@njit_inner(error_model="numpy")
def sum_products(
    gy: Array, y: Array, x: Array, start: int, stop: int, row: int, near: Array, leak: Any, total: Array, product: Array
) -> None:
    """In a strip of some rows, the sum of each column of g, and of g (x - near).

    Two registers at a time are a whole line of the cache, which is then met once.
    """
    lanes = lane_count(x)
    for k in range(0, near.size, 2 * lanes):
        left = near.size - k
        sums, products = splat(x.dtype.type(0)), splat(x.dtype.type(0))
        more_sums, more_products = sums, products
        center, more_center = _fetch(near, k, left), _fetch(near, k + lanes, left - lanes)
        for at in range(start + k, stop, row):
            left = min(near.size - k, x.size - at)
            g, more_g = _fetch(gy, at, left), _fetch(gy, at + lanes, left - lanes)
            if leak != x.dtype.type(1):
                g = leaky_gradient(g, _fetch(y, at, left), leak)
                more_g = leaky_gradient(more_g, _fetch(y, at + lanes, left - lanes), leak)
            sums, more_sums = add(sums, g), add(more_sums, more_g)
            products = mul_add(g, subtract(_fetch(x, at, left), center), products)
            more_x = _fetch(x, at + lanes, left - lanes)
            more_products = mul_add(more_g, subtract(more_x, more_center), more_products)
        left = near.size - k
        _keep(total, k, left, sums)
        _keep(total, k + lanes, left - lanes, more_sums)
        _keep(product, k, left, products)
        _keep(product, k + lanes, left - lanes, more_products)


@njit_inner(error_model="numpy")
def combine(
    gy: Array,
    y: Array,
    x: Array,
    start: int,
    near: Array,
    leak: Any,
    scale: Array,
    slope: Array,
    shift: Array,
    gx: Array,
) -> None:
    """In a strip of one row: gx = scale g + slope (x - near) + shift."""
    for k in range(0, min(near.size, x.size - start), lane_count(x)):
        left, at = min(near.size, x.size - start) - k, start + k
        g = _fetch(gy, at, left)
        if leak != x.dtype.type(1):
            g = leaky_gradient(g, _fetch(y, at, left), leak)
        line = mul_add(
            _fetch(slope, k, left), subtract(_fetch(x, at, left), _fetch(near, k, left)), _fetch(shift, k, left)
        )
        _keep(gx, at, left, mul_add(_fetch(scale, k, left), g, line))


@njit_inner(error_model="numpy")
def _fetch(x: Array, at: int, left: int) -> Any:
    """A register from x[at], of which only the first `left` numbers are there."""
    return load(x, at) if left >= lane_count(x) else take(x, at, 1, 0, left, splat(x.dtype.type(0)))


@njit_inner(error_model="numpy")
def _keep(x: Array, at: int, left: int, lanes: Any) -> None:
    """The inverse of `_fetch`."""
    if left >= lane_count(x):
        store(x, at, lanes)
    else:
        put(x, at, 1, 0, left, lanes)


@njit_inner(error_model="numpy")
def spread(values: Array, length: int, samples: int) -> Array:
    """A number for each channel of a strip, copied to all of its columns."""
    columns, j = np.empty(samples * values.size * length, values.dtype), 0
    if length == 1:
        for start in range(0, columns.size, values.size):
            _copy(values, columns[start : start + values.size])
        return columns
    for _ in range(samples):
        for c in range(values.size):
            for _ in range(length):
                columns[j] = values[c]
                j += 1
    return columns


@njit_inner(error_model="numpy")
def _copy(x: Array, y: Array) -> None:
    for j in range(x.size):
        y[j] = x[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def by_channel(columns: Array, length: int, count: int) -> Array:
    """The sums of the columns of each channel of a strip."""
    sums, start = np.zeros(count), 0
    while start < columns.size:
        for c in range(count):
            if length == 1:
                sums[c] += columns[start]
            else:
                sums[c] += columns[start : start + length].sum()
            start += length
    return sums
