"""Convolution by products of matrices, where there are fewer pixels than weights: in deep layers, and of single images.

Everywhere else the weights are copied or transformed first, which is nothing beside a batch of large images. Here they
are read where they lie, w (K, C * kh * kw). Row r of the *columns* has what weight r of a kernel meets at each pixel of
each sample. With y, g (K, pixels) there are three products, one for each operation::

    y = w @ columns,    gcolumns = w.T @ g,    gw = g @ columns.T

and gx is the sum of gcolumns over what met the same cell: the transpose of the copy from x to columns. Images have
their samples last, (C, H, W, N): whole runs of numbers are copied.

Imports: Numba, gemm, lanes, layout, threads. Specification: ``../reference/conv.py``. Read next: ``gemm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.gemm import matmul, transposed
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import add, lane_count, put, splat, store, take
from minigen_kernels.cpu.layout import as_channels_first
from minigen_kernels.cpu.threads import share


def conv2d(x: Array, w: Array, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (K, C, kh, kw) -> y (N, K, oh, ow), channels first."""
    return _samples_first(matmul(_matrix(w), _columns(x, geometry)), len(x), geometry.out_hw)


def conv_transpose2d(g: Array, w: Array, geometry: Geometry) -> Array:
    """g (N, K, oh, ow), w (K, C, kh, kw) -> gx (N, C, H, W), channels first."""
    image = np.zeros((w.shape[1], *geometry.hw, len(g)), g.dtype)
    _move(image, matmul(_matrix(w).T, _samples_last(g)), *geometry[2:], geometry.out_hw, True)
    return _samples_first(image, len(g), geometry.hw)


def weight_grad(x: Array, g: Array, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C, kh, kw)."""
    gw = matmul(_samples_last(g), _columns(x, geometry).T)
    return gw.reshape(len(gw), x.shape[1], *geometry.kernel_hw)


def _matrix(w: Array) -> Array:
    """w (K, C, kh, kw) -> (K, C * kh * kw)."""
    return np.ascontiguousarray(w).reshape(len(w), -1)


def _samples_last(x: Array) -> Array:
    """(N, C, H, W) -> (C, H * W * N)."""
    x = as_channels_first(x)
    return (transposed(x.reshape(len(x), -1)) if len(x) > 1 else x).reshape(x.shape[1], -1)


def _samples_first(y: Array, N: int, hw: Pair) -> Array:
    """(K, H, W, N) -> (N, K, H, W)."""
    y = y.reshape(-1, N)
    return (transposed(y) if N > 1 else y).reshape(N, -1, *hw)


def _columns(x: Array, geometry: Geometry) -> Array:
    """x (N, C, H, W) -> (C * kh * kw, oh * ow * N)."""
    (N, C), (kh, kw), (oh, ow) = x.shape[:2], geometry.kernel_hw, geometry.out_hw
    columns = np.empty((C * kh * kw, oh * ow * N), x.dtype)
    _move(_samples_last(x).reshape(C, *geometry.hw, N), columns, *geometry[2:], geometry.out_hw, False)
    return columns


@njit_cached()
def _move(
    image: Array, columns: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair, back: bool
) -> None:
    """columns[(c, u, v), (i, j, n)] = image[c, i * sh + u * dh - ph, j * sw + v * dw - pw, n], or 0 outside of it.

    back: add the columns to the image instead.
    """
    share(_move_part, len(image), 4, (image, columns, kernel_hw, stride, padding, dilation, out_hw, back))


@njit_inner()
def _move_part(
    first: int, last: int, image: Array, columns: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair,
    out_hw: Pair, back: bool,
) -> None:  # fmt: skip
    """Channels first, ..., last - 1. Neighbours in the columns that are neighbours in the image make a run.

    Whole registers are written: what is too much belongs to what is written next.
    """
    _, H, W, N = image.shape
    cells, flat, lanes, zeros = image.reshape(-1), columns.reshape(-1), lane_count(image), splat(image.dtype.type(0))
    joined = N == 1 or stride[1] == 1
    runs, length, step = (1, out_hw[1] * N, stride[1] if N == 1 else 1) if joined else (out_hw[1], N, 1)
    size = kernel_hw[0] * kernel_hw[1] * out_hw[0] * out_hw[1] * N  # what belongs to a channel
    at, stop = first * size, last * size
    for c in range(first, last):
        for u in range(kernel_hw[0]):
            for v in range(kernel_hw[1]):
                before = padding[1] - v * dilation[1]
                low, high = max(0, -(-before // stride[1])), min(out_hw[1], (W - 1 + before) // stride[1] + 1)
                for i in range(out_hw[0]):
                    line = i * stride[0] + u * dilation[0] - padding[0]
                    inside = 0 <= line < H
                    for j in range(runs):
                        start = ((c * H + line) * W + j * stride[1] - before) * N
                        begin = low * N if joined else 0
                        end = high * N if joined else N if low <= j < high else 0
                        end = end if inside else 0
                        for q in range(0, length, lanes):
                            here = start + q * step
                            if not back:
                                numbers = take(cells, here, step, begin - q, end - q, zeros)
                                if at + q + lanes <= stop:
                                    store(flat, at + q, numbers)
                                else:
                                    put(flat, at + q, 1, 0, length - q, numbers)
                            elif end:
                                numbers = take(flat, at + q, 1, begin - q, end - q, zeros)
                                numbers = add(numbers, take(cells, here, step, begin - q, end - q, zeros))
                                put(cells, here, step, begin - q, end - q, numbers)
                        at += length
