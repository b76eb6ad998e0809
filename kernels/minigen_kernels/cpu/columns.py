"""The convolution of one image by a product of two matrices, for images with fewer pixels than there are channels.

Row r of the second matrix has what weight r of a kernel meets at each pixel of the result; the first matrix are the
weights, read where they lie. In the other ways to convolve the weights are copied or transformed first, which is
nothing beside a batch of images; but where a single image is encoded, the deep layers have more weights than work.

Imports: Numba, gemm, lanes, layout. Specification: ``../reference/conv.py``. Read next: ``gemm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.gemm import matmul
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.lanes import lane_count, splat, store, take
from minigen_kernels.cpu.layout import as_channels_first

MOST_LANES = 16  # what whole registers write beyond the last number


def pays(N: int, K: int, groups: int, geometry: Geometry) -> bool:
    """Whether a convolution to K channels copies far fewer numbers of the image than there are weights."""
    return N == groups == 1 and 1 < geometry.out_hw[0] * geometry.out_hw[1] <= K // 4


def conv2d(x: Array, w: Array, geometry: Geometry) -> Array:
    """x (1, C, H, W), w (K, C, kh, kw) -> y (1, K, oh, ow), channels first."""
    (K, _, *_), (oh, ow) = w.shape, geometry.out_hw
    rows, pixels = w.size // K, oh * ow
    columns = np.empty(rows * pixels + MOST_LANES, x.dtype)
    _, _, kernel_hw, *others = geometry
    _gather(as_channels_first(x).reshape(x.shape[1:]), columns, kernel_hw, geometry.out_hw, *others)
    return matmul(w.reshape(K, rows), columns[: rows * pixels].reshape(rows, pixels)).reshape(1, K, oh, ow)


@njit_cached()
def _gather(
    x: Array, columns: Array, kernel_hw: Pair, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """columns[(c, u, v), (i, j)] = x[c, i * sh + u * dh - ph, j * sw + v * dw - pw], zero outside of the image.

    Line i of a row is written in whole registers: what is too much belongs to what is written next.
    """
    (C, H, W), flat, lanes, zeros, at = x.shape, x.reshape(-1), lane_count(x), splat(x.dtype.type(0)), 0
    for c in range(C):
        for u in range(kernel_hw[0]):
            for v in range(kernel_hw[1]):
                before = padding[1] - v * dilation[1]
                low, high = -(-before // stride[1]), (W - 1 + before) // stride[1] + 1
                for i in range(out_hw[0]):
                    line = i * stride[0] + u * dilation[0] - padding[0]
                    inside = 0 <= line < H
                    for j in range(0, out_hw[1], lanes):
                        place = (c * H + line) * W + j * stride[1] - before
                        end = min(high, out_hw[1]) - j if inside else 0
                        store(columns, at + j, take(flat, place, stride[1], max(low - j, 0), end, zeros))
                    at += out_hw[1]
