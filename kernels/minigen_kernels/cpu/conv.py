"""Convolution and its two adjoints on the processor, without copies of the image for every offset.

In a *frame* (``frame.py``) the offset (channel, u, v) of a kernel, a *tap*, has a fixed distance from
the place p of the result, so that a convolution is

    y[k, p] = sum over t of w[k, t] * frame[p + offset[t]],

a matrix product whose second matrix is read from the frame, shifted, instead of from copies. The
adjoint in x runs the same sum over a frame of g, once for each phase of its result. The adjoint in w
multiplies a frame of x with the results' gradients at the same places. Places between two lines
are computed with the rest and dropped.

All work goes in groups of samples, small enough for the second-level cache. The groups depend on the
geometry alone, so the bits of a result do too. Where a frame holds a zero, 0 * w (or 0 * x) is added
like any number: infinities and NaN in the data can spread further than in the reference.

Imports: NumPy, ``frame.py``, ``taps.py``. Specification: ``../reference/conv.py``. Read next:
``frame.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.frame import Axis, Frame, spread_axis, window_axis
from minigen_kernels.cpu.taps import dot_of_taps, pack, sum_of_taps, sum_of_taps_single, unpack

#: What the frame and the results of a group of samples may take together. Sums read a frame many times
#: and want it in the second-level cache; the dot products gain more from long rows.
SUM_GROUP_BYTES = 1 << 19
DOT_GROUP_BYTES = 1 << 21


def conv2d(x: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """Cross-correlation: x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow)."""
    K, Cg, kh, kw = w.shape
    wg = w.reshape(groups, K // groups, Cg, kh, kw)
    rows, columns = (window_axis(*axis) for axis in zip(x.shape[2:], out_hw, (kh, kw), stride, padding, dilation))
    return _sum(x, wg, out_hw, rows, columns)


def conv_transpose2d(
    g: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in x: g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W)."""
    K, Cg, kh, kw = w.shape
    wg = w.reshape(groups, K // groups, Cg, kh, kw).swapaxes(1, 2)
    rows, columns = (spread_axis(*axis) for axis in zip(g.shape[2:], out_hw, (kh, kw), stride, padding, dilation))
    return _sum(g, wg, out_hw, rows, columns)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in w: x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    x, g = np.ascontiguousarray(x), np.ascontiguousarray(g)
    N, C = x.shape[:2]
    K = g.shape[1]
    if x.size == 0 or g.size == 0:
        return np.zeros((K, C // groups, *kernel_hw), x.dtype)
    rows, columns = (window_axis(*axis) for axis in zip(x.shape[2:], g.shape[2:], kernel_hw, stride, padding, dilation))
    frame = Frame(x, groups, K, rows, columns, DOT_GROUP_BYTES)
    ((row, row_taps),), ((column, column_taps),) = rows.results, columns.results
    offsets = frame.offsets(row_taps, column_taps)
    T = len(offsets)
    offsets = np.pad(offsets, (0, -T % 4), mode="edge")
    results = frame.results(K, 1)
    results.fill(0)
    gw = np.zeros((groups, results.shape[1], len(offsets)), x.dtype)
    for first in range(0, N, frame.samples):
        count = min(frame.samples, N - first)
        frame.pack(x, first, count)
        pitches = frame.sample_pitch, frame.pitch
        pack(g, first, count, row[1:], column[1:], results, 0, 1, 0, *pitches)
        places = frame.places(count, row, column)
        results[:, :, places:] = 0  # what a fuller group before this one has left
        dot_of_taps(frame.cells, offsets, results, gw, places)
    return gw[:, : K // groups, :T].reshape(K, C // groups, *kernel_hw)


def _sum(x: Array, w: Array, out_hw: Pair, rows: Axis, columns: Axis) -> Array:
    """The sums over taps that both convolutions are.

    x (N, C, ., .), w (groups, K/groups, C/groups, kh, kw) -> (N, K, *out_hw).
    """
    x = np.ascontiguousarray(x)
    N = x.shape[0]
    groups, Kg = w.shape[:2]
    covered = tuple(sum(line.size for line, _ in axis.results) for axis in (rows, columns))
    y: Array = (np.empty if covered == out_hw else np.zeros)((N, groups * Kg, *out_hw), x.dtype)
    if x.size == 0 or 0 in y.shape or 0 in covered:
        return np.zeros_like(y)
    frame = Frame(x, groups, groups * Kg, rows, columns, SUM_GROUP_BYTES)
    single = Kg == 1
    sums = frame.results(groups * Kg, 6 if single else 3)
    sum_up, arrange = (sum_of_taps_single, _flat) if single else (sum_of_taps, _by_fours)
    parts = []
    for row, row_taps in rows.results:
        for column, column_taps in columns.results:
            if row.size and column.size:
                met = w[:, :, :, [tap.u for tap in row_taps]][..., [tap.u for tap in column_taps]]
                offsets = frame.offsets(row_taps, column_taps)
                parts.append((row, column, offsets, arrange(met.reshape(groups, Kg, -1))))
    pitches = frame.sample_pitch, frame.pitch
    for first in range(0, N, frame.samples):
        count = min(frame.samples, N - first)
        frame.pack(x, first, count)
        for row, column, offsets, weights in parts:
            sum_up(frame.cells, offsets, weights, sums, frame.places(count, row, column))
            unpack(sums, y, first, count, row[1:], column[1:], *pitches)
    return y


def _flat(w: Array) -> Array:
    """(groups, 1, T) -> (groups, T)."""
    return np.ascontiguousarray(w[:, 0])


def _by_fours(w: Array) -> Array:
    """(groups, K, T) -> (groups, K/4, T, 4): what a block of four channels needs next, side by side."""
    groups, K, T = w.shape
    blocks = -(-K // 4)
    padded = np.zeros((groups, blocks * 4, T), w.dtype)
    padded[:, :K] = w
    return np.ascontiguousarray(padded.reshape(groups, blocks, 4, T).swapaxes(2, 3))
