"""The two orders in which an image array may lie in memory, and the way from one to the other.

An array of shape (N, C, H, W), or (N, C, L), is *channels first* if its memory is C-contiguous, and *channels last* if
that of its view (N, H, W, C) is: then the numbers of all channels at one pixel are neighbours. A convolution of many
channels gives the latter; every kernel takes both, and answers in the layout of an image it got. With one channel, or
one pixel, an array is in both. An array of so few channels that they do not fill a register is made channels first.

A conversion is a transpose of a matrix (C, H * W) for each sample: squares of a register's width are turned in
registers, the last ones of a line overlapping those before.

Imports: NumPy, Numba, ``squares.py``, ``threads.py``. Read next: ``activation.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import REGISTER_BYTES, lane_count
from minigen_kernels.cpu.squares import put_transposed
from minigen_kernels.cpu.threads import PIECE, share

#: The axes of (N, C, ...) in the order of channels-last memory, and those of that memory in the order of (N, C, ...).
_TO_LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1)}
_FROM_LAST = {3: (0, 2, 1), 4: (0, 3, 1, 2)}


def is_channels_last(x: Array) -> bool:
    """Whether the channels of x (N, C, L) or (N, C, H, W) are neighbours in memory, and all else follows in order."""
    return x.ndim in _TO_LAST and bool(last(x).flags.c_contiguous)


def lies_last(x: Array) -> bool:
    """Whether x is channels last, and not channels first, too."""
    return not x.flags.c_contiguous and is_channels_last(x)


def as_channels_last(x: Array) -> Array:
    """x (N, C, L) or (N, C, H, W) itself if it is channels last, else a copy that is."""
    if is_channels_last(x):
        return x
    if _nearly_last(x):
        return np.ascontiguousarray(last(x)).transpose(_FROM_LAST[x.ndim])
    x, y = np.ascontiguousarray(x), _empty_last(x.shape, x.dtype)
    _convert(x, x.shape[1], math.prod(x.shape[2:]), last(y))
    return y


def as_channels_first(x: Array) -> Array:
    """x itself if it is C-contiguous, which is channels first, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    if not is_channels_last(x):
        return np.ascontiguousarray(x)
    y = np.empty(x.shape, x.dtype)
    _convert(last(x), math.prod(x.shape[2:]), x.shape[1], y)
    return y


def dense(x: Array) -> Array:
    """x itself if it is in a layout, else a copy in the nearest one; with few channels always channels first.

    Few do not fill a register. A part of an array, such as some of its channels, is in no layout.
    """
    if x.flags.c_contiguous:
        return x
    wide = x.ndim in _TO_LAST and x.shape[1] * x.itemsize >= REGISTER_BYTES
    return as_channels_last(x) if wide and (is_channels_last(x) or _nearly_last(x)) else as_channels_first(x)


def _nearly_last(x: Array) -> bool:
    """Whether the channels of a pixel are closer in memory than neighbouring pixels: x is a part of such an array."""
    return x.strides[1] < min(x.strides[2:])


def like(x: Array, other: Array) -> Array:
    """x in the layout of a dense array."""
    if other.flags.c_contiguous and x.flags.c_contiguous:
        return x
    return as_channels_last(x) if lies_last(other) else as_channels_first(x)


def empty(shape: tuple[int, ...], dtype: Any, other: Array) -> Array:
    """An empty array in the layout of a dense array."""
    if other.flags.c_contiguous:
        return np.empty(shape, dtype)
    return _empty_last(shape, dtype) if is_channels_last(other) else np.empty(shape, dtype)


def alike(a: Array, b: Array) -> tuple[Array, Array]:
    """Two arrays; of images of one shape both channels last if one is: on two layouts NumPy is slow, and loses it."""
    if a.shape == b.shape and lies_last(a) != lies_last(b):
        return as_channels_last(a), as_channels_last(b)
    return a, b


def memory(x: Array) -> Array:
    """A dense array as the line of numbers that it is in memory."""
    return (last(x) if lies_last(x) else x).reshape(-1)


def last(x: Array) -> Array:
    """The view (N, H, W, C) of x (N, C, H, W), (N, L, C) of (N, C, L)."""
    return x.transpose(_TO_LAST[x.ndim])


def pixels_apart(x: Array) -> Array:
    """A dense x (N, C, L), C-contiguous, for kernels to which all pixels of a channel are the same.

    Channels last, it is the memory of N * L samples of one pixel: (N * L, C, 1).
    """
    if x.flags.c_contiguous:
        return x
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1], 1) if is_channels_last(x) else x


def _empty_last(shape: tuple[int, ...], dtype: Any) -> Array:
    return np.empty((shape[0], *shape[2:], shape[1]), dtype).transpose(_FROM_LAST[len(shape)])


def _convert(x: Array, rows: int, columns: int, y: Array) -> None:
    """C-contiguous matrices (N, rows, columns) to y (N, columns, rows), both of any number of axes."""
    if not x.size:
        return
    if x.itemsize in (4, 8):
        bits = f"f{x.itemsize}"  # moved, no number changes
        _turn_matrices(len(x), x.view(bits).reshape(-1), rows, columns, y.view(bits).reshape(-1))
    else:
        y.reshape(len(x), columns, rows)[...] = x.reshape(len(x), rows, columns).swapaxes(1, 2)


@njit_cached()
def _turn_matrices(count: int, x: Array, rows: int, columns: int, y: Array) -> None:
    turn_matrices(count, x, rows, columns, y)


STRIP = 64  # a multiple of the numbers of any register


@njit_inner()
def turn_matrices(count: int, x: Array, rows: int, columns: int, y: Array) -> None:
    """Matrices (count, rows, columns), one after another, to (count, columns, rows), in strips of the longer axis."""
    width = max(1, PIECE // min(rows, columns) // STRIP) * STRIP
    strips = -(-max(rows, columns) // width)
    share(_turn_part, count * strips, 1, (x, rows, columns, width, strips, y))


@njit_inner()
def _turn_part(first: int, last: int, x: Array, rows: int, columns: int, width: int, strips: int, y: Array) -> None:
    n = lane_count(x)
    for piece in range(first, last):
        matrix, begin = piece // strips, piece % strips * width
        start = matrix * rows * columns
        top, bottom = (begin, min(begin + width, rows)) if rows >= columns else (0, rows)
        left, right = (begin, min(begin + width, columns)) if rows < columns else (0, columns)
        if rows < n or columns < n:
            for i in range(top, bottom):
                for j in range(left, right):
                    y[start + j * rows + i] = x[start + i * columns + j]
        elif rows < columns:
            for i in range(top, bottom, n):
                r = min(i, rows - n)
                for j in range(left, right, n):
                    c = min(j, columns - n)
                    put_transposed(y, start + c * rows + r, rows, x, start + r * columns + c, columns)
        else:
            for j in range(left, right, n):
                c = min(j, columns - n)
                for i in range(top, bottom, n):
                    r = min(i, rows - n)
                    put_transposed(y, start + c * rows + r, rows, x, start + r * columns + c, columns)
