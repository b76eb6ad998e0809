"""The two orders in which an image array may lie in memory, and the way from one to the other.

An array of shape (N, C, H, W), or (N, C, L), is *channels first* if its memory is C-contiguous, and *channels last* if
that of its view (N, H, W, C) is: then the numbers of all channels at one pixel are neighbours. A convolution of many
channels gives the latter; every kernel takes both, and answers in the layout of its first image. With one channel, or
one pixel, an array is in both.

A conversion is a transpose of a matrix (C, H * W) for each sample: squares of a register's width are turned in
registers, the last ones of a line overlapping those before.

Imports: Numba, ``squares.py``. Read next: ``activation.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.lanes import lane_count
from minigen_kernels.cpu.squares import put_transposed


def is_channels_last(x: Array) -> bool:
    """Whether the channels of x (N, C, ...) are neighbours in memory, and pixels and samples follow in their order."""
    return x.ndim > 2 and bool(np.moveaxis(x, 1, -1).flags.c_contiguous)


def lies_last(x: Array) -> bool:
    """Whether x (N, C, ...) is channels last, and not channels first, too."""
    return not x.flags.c_contiguous and is_channels_last(x)


def as_channels_last(x: Array) -> Array:
    """x (N, C, ...) itself if it is channels last, else a copy that is: the same shape and numbers."""
    if is_channels_last(x):
        return x
    x = np.ascontiguousarray(x)
    n, c, length = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    y = np.empty((n, *x.shape[2:], c), x.dtype)
    _convert(x, n, c, length, y)
    return np.moveaxis(y, -1, 1)


def as_channels_first(x: Array) -> Array:
    """x (N, C, ...) itself if it is channels first, that is C-contiguous, else a copy that is."""
    if not lies_last(x):
        return np.ascontiguousarray(x)
    y = np.empty(x.shape, x.dtype)
    n, c, length = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    _convert(np.moveaxis(x, 1, -1), n, length, c, y)
    return y


def _convert(x: Array, n: int, rows: int, columns: int, y: Array) -> None:
    if x.dtype.kind == "f" and x.size:
        _transpose(x.reshape(-1), n, rows, columns, y.reshape(-1))
    else:
        y.reshape(n, columns, rows)[...] = x.reshape(n, rows, columns).swapaxes(1, 2)


@njit_cached()
def _transpose(x: Array, count: int, rows: int, columns: int, y: Array) -> None:
    """Matrices (count, rows, columns), one after another, to (count, columns, rows)."""
    n = lane_count(x)
    for matrix in range(count):
        start = matrix * rows * columns
        if rows < n or columns < n:
            for i in range(rows):
                for j in range(columns):
                    y[start + j * rows + i] = x[start + i * columns + j]
        elif rows < columns:
            for i in range(0, rows, n):
                top = min(i, rows - n)
                for j in range(0, columns, n):
                    left = min(j, columns - n)
                    put_transposed(y, start + left * rows + top, rows, x, start + top * columns + left, columns)
        else:
            for j in range(0, columns, n):
                left = min(j, columns - n)
                for i in range(0, rows, n):
                    top = min(i, rows - n)
                    put_transposed(y, start + left * rows + top, rows, x, start + top * columns + left, columns)
