"""Bias and activation on the CPU, and both of their gradients, in one pass over memory each.

x (N, C, L) is contiguous, or channels last and taken for (N * L, C, 1), and the biases repeat with the period C * L. It
is cut into rows of one period, or of several short ones; so the inner loop runs along contiguous memory, is long and is
vectorised for every L, also L = 1. In the backward pass every column of these rows has its own sum, in the dtype of x
over a few rows, then in float64; at the end the columns of a channel are added up. Long rows are cut into strips whose
sums stay in the cache.

Imports: NumPy, Numba, exponential, layout, norm_loops, threads; the check of arguments from ``reference``. Read next:
``norm.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.exponential import sigmoid, tanh
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.layout import dense, empty, like, pixels_apart
from minigen_kernels.cpu.norm_loops import spread
from minigen_kernels.cpu.threads import PIECE, share
from minigen_kernels.reference.activation import ACTIVATIONS, check_bias_act

LEAKY_RELU, SIGMOID, TANH = map(ACTIVATIONS.index, ("leaky_relu", "sigmoid", "tanh"))
STRIP = 2048  # columns whose sums are kept at a time, and about the length of a row of short periods
FEW, MANY = 16, 64  # rows that are summed in the dtype of x; and then in float64, by one thread


def bias_act(x: Array, b: Array, activation: str, slope: float) -> Array:
    """y = activation(x + b): x (N, C, L), b (C,) -> y (N, C, L)."""
    code = check_bias_act("bias_act", x, activation, slope, b=b)
    x = dense(x)
    y = empty(x.shape, x.dtype, x)
    if x.size:
        b = b if b.flags.c_contiguous else b.copy()
        _bias_act(pixels_apart(x), b, code, float(slope), pixels_apart(y))
    return y


def bias_act_backward(gy: Array, y: Array, activation: str, slope: float) -> tuple[Array, Array]:
    """Gradients: gy, y (N, C, L) -> gx (N, C, L), gb (C,)."""
    code = check_bias_act("bias_act_backward", y, activation, slope, gy=gy)
    y = dense(y)
    gx, gb = empty(y.shape, y.dtype, y), np.zeros(y.shape[1], y.dtype)
    if y.size:
        given = pixels_apart(like(gy, y)), pixels_apart(y)
        _bias_act_backward(*given, code, float(slope), pixels_apart(gx), gb)
    return gx, gb


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _bias_act(x: Array, b: Array, code: int, slope: float, y: Array) -> None:
    length = x.shape[2]
    periods = max(1, min(STRIP, x.size) // (b.size * length))
    biases = spread(b, length, periods)
    rows = -(-x.size // biases.size)
    share(_rows, rows, max(1, PIECE // biases.size), (x.reshape(-1), biases, code, x.dtype.type(slope), y.reshape(-1)))


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _rows(first: int, last: int, x: Array, biases: Array, code: int, slope: Any, y: Array) -> None:
    for start in range(first * biases.size, min(last * biases.size, x.size), biases.size):
        stop = min(start + biases.size, x.size)
        _row(x[start:stop], biases, code, slope, y[start:stop])


@njit_cached(error_model="numpy", fastmath=FASTMATH)
def _bias_act_backward(gy: Array, y: Array, code: int, slope: float, gx: Array, gb: Array) -> None:
    length = y.shape[2]
    period = gb.size * length
    columns = period * max(1, min(STRIP, y.size) // period)
    strips, rows = -(-columns // STRIP), -(-y.size // columns)
    height = rows if strips > 1 else MANY  # of the part of a strip that a piece has
    parts = np.empty((strips * -(-rows // height), min(STRIP, columns)))
    flat = gy.reshape(-1), y.reshape(-1), gx.reshape(-1)
    share(_parts, len(parts), 1, (*flat, columns, height, code, y.dtype.type(slope), parts))
    sums = np.zeros(gb.size)
    for k in range(len(parts)):
        left = k % strips * STRIP
        _add_columns(parts[k, : min(STRIP, columns - left)], left // length % gb.size, left % length, length, sums)
    for c in range(gb.size):
        gb[c] = sums[c]


@njit_inner(error_model="numpy")
def _add_columns(part: Array, c: int, position: int, length: int, sums: Array) -> None:
    """Add the sums of columns to those of their channels: the first one is at `position` of channel c."""
    done = 0
    while length == 1 and done < part.size:  # one column for each channel
        width = min(sums.size - c, part.size - done)
        _add(part[done : done + width], sums[c:])
        c, done = 0, done + width
    for j in range(done, part.size):
        sums[c] += part[j]
        position += 1
        if position == length:
            c, position = c + 1 if c + 1 < sums.size else 0, 0


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _parts(
    first: int,
    last: int,
    gy: Array,
    y: Array,
    gx: Array,
    columns: int,
    height: int,
    code: int,
    slope: Any,
    parts: Array,
) -> None:
    """Gradients in parts of the strips, and the sum of each column of a part."""
    strips = -(-columns // STRIP)
    for k in range(first, last):
        top, left = k // strips * height * columns, k % strips * STRIP
        width, few = min(STRIP, columns - left), 0
        part, total = np.zeros(width, y.dtype), parts[k, :width]
        for j in range(width):
            total[j] = 0
        for start in range(top + left, min(top + height * columns, y.size), columns):
            here = slice(start, min(start + width, y.size))
            _row_backward(gy[here], y[here], code, slope, gx[here])
            _add(gx[here], part)
            few += 1
            if few == FEW:
                _move(part, total)
                few = 0
        _move(part, total)


# The inner loops get slices, so that their index is the plain loop variable (see ``batch_norm.py``).


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _row(x: Array, b: Array, code: int, slope: Any, y: Array) -> None:
    zero = x.dtype.type(0)
    if code == LEAKY_RELU and slope == zero:
        for j in range(x.size):
            z = x[j] + b[j]
            y[j] = zero if z < zero else z  # a NaN stays one
    elif code == LEAKY_RELU:
        for j in range(x.size):
            z = x[j] + b[j]
            y[j] = slope * z if z < zero else z
    elif code == SIGMOID:
        for j in range(x.size):
            y[j] = sigmoid(x[j] + b[j])
    elif code == TANH:
        for j in range(x.size):
            y[j] = tanh(x[j] + b[j])
    else:
        for j in range(x.size):
            y[j] = x[j] + b[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _row_backward(gy: Array, y: Array, code: int, slope: Any, gx: Array) -> None:
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if code == LEAKY_RELU and slope == zero:
        for j in range(y.size):
            gx[j] = gy[j] if y[j] > zero else zero
    elif code == LEAKY_RELU:
        for j in range(y.size):
            gx[j] = gy[j] if y[j] > zero else slope * gy[j]
    elif code == SIGMOID:
        for j in range(y.size):
            gx[j] = gy[j] * (y[j] * (one - y[j]))
    elif code == TANH:
        for j in range(y.size):
            gx[j] = gy[j] * (one - y[j] * y[j])
    else:
        for j in range(y.size):
            gx[j] = gy[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _add(row: Array, part: Array) -> None:
    """A loop of its own: one that also writes the row takes twice as long, for writes to places 4 kB apart collide."""
    for j in range(row.size):
        part[j] += row[j]


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _move(part: Array, total: Array) -> None:
    for j in range(part.size):
        total[j] += part[j]
        part[j] = 0
