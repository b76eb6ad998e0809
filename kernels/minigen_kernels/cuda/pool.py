"""Max and average pooling in CUDA: shapes and grids here, the arithmetic in ``pool.cu``.

Imports: NumPy, ``launch.py``. Specification: the same file in ``reference``. Read next: ``pool.cu``, ``upsample.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Window, as_ncl
from minigen_kernels.cuda.activation import channel_sums
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch, zeros
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.activation import check_bias_act


def max_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Maxima: x (N, C, H, W) -> y (N, C, oh, ow), and where in their planes they stand, int64."""
    N, C, H, W = x.shape
    y, index = empty((N, C, *out_hw), x.dtype), empty((N, C, *out_hw), np.int64)
    geometry = (N * C, H, W, *out_hw, *kernel, *stride, *padding)
    launch("pool.cu", "max_pool2d_kernel", blocks_for(y.size), THREADS, contiguous(x), y, index, *geometry)
    return y, index


def bias_act_max_pool2d(
    x: Array, b: Array, activation: str, slope: float, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """Maxima of activation(x + b): x (N, C, H, W), b (C,) -> y (N, C, oh, ow), and where in their planes they stand."""
    N, C, H, W = x.shape
    code = check_bias_act("bias_act_max_pool2d", as_ncl(x), activation, slope, b=b)
    y, index = empty((N, C, *out_hw), x.dtype), empty((N, C, *out_hw), np.int64)
    operands = contiguous(x), contiguous(b), y, index, code, slope, C
    geometry = (N * C, H, W, *out_hw, *kernel, *stride, *padding)
    launch("pool.cu", "bias_act_max_pool2d_kernel", blocks_for(y.size), THREADS, *operands, *geometry)
    return y, index


def bias_act_max_pool2d_backward(
    gy: Array, y: Array, index: Array, activation: str, slope: float, hw: Pair, window: Window
) -> tuple[Array, Array]:
    """Gradients: gy, y, index (N, C, oh, ow) -> gx (N, C, *hw), gb (C,)."""
    N, C, oh, ow = y.shape
    code = check_bias_act("bias_act_max_pool2d_backward", as_ncl(y), activation, slope, gy=as_ncl(gy))
    gx = empty((N, C, *hw), y.dtype)
    if not gx.size:
        return gx, zeros((C,), y.dtype)
    gb = empty((C,), y.dtype)
    grid, sums = channel_sums((N, C, hw[0] * hw[1]))
    kernel, stride, padding = window
    operands = contiguous(gy), contiguous(y), _int64(index), gx, *sums[:2], gb, code, slope
    geometry = (hw[1], oh, ow, *kernel, *stride, *padding)
    launch("pool.cu", "bias_act_max_pool2d_backward_kernel", grid, THREADS, *operands, *geometry, *sums[2:])
    return gx, gb


def plane_gather(x: Array, index: Array) -> Array:
    """y[n, c, i, j] = x[n, c].flat[index[n, c, i, j]]. x (N, C, H, W), index (N, C, oh, ow), any integers -> y.

    A place outside of the plane gives NaN.
    """
    N, C, H, W = x.shape
    places = _int64(index)
    y = empty(index.shape, x.dtype)
    sizes = (N * C, H * W, index.shape[2] * index.shape[3])
    launch("pool.cu", "plane_gather_kernel", blocks_for(y.size), THREADS, contiguous(x), places, y, *sizes)
    return y


def plane_scatter(g: Array, index: Array, hw: Pair, window: Window | None) -> Array:
    """gx[n, c].flat[index[n, c, i, j]] += g[n, c, i, j]. g, index (N, C, oh, ow) -> gx (N, C, *hw).

    With `window` every cell asks the few windows over it. Without, one warp goes through the results of each plane in
    order, 32 at a time; a place outside of the plane is left out.
    """
    N, C, oh, ow = g.shape
    gx = empty((N, C, *hw), g.dtype)
    operands = (contiguous(g), _int64(index), gx)
    if window is not None:
        kernel, stride, padding = window
        geometry = (N * C, *hw, oh, ow, *kernel, *stride, *padding)
        launch("pool.cu", "plane_scatter_window_kernel", blocks_for(gx.size), THREADS, *operands, *geometry)
        return gx
    sizes, warp = (N * C, hw[0] * hw[1], oh * ow), constants("common.cuh")["WARP"]
    launch("pool.cu", "plane_scatter_any_kernel", blocks_for(N * C * warp), THREADS, *operands, *sizes)
    return gx


def avg_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """The mean of every window: x (N, C, H, W) -> y (N, C, oh, ow)."""
    N, C, H, W = x.shape
    y = empty((N, C, *out_hw), x.dtype)
    geometry = (N * C, H, W, *out_hw, *kernel, *stride, *padding, count_include_pad)
    launch("pool.cu", "avg_pool2d_kernel", blocks_for(y.size), THREADS, contiguous(x), y, *geometry)
    return y


def avg_pool2d_adjoint(g: Array, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array:
    """Every result spreads its share over its window: g (N, C, oh, ow) -> gx (N, C, *hw)."""
    N, C, oh, ow = g.shape
    gx = empty((N, C, *hw), g.dtype)
    geometry = (N * C, *hw, oh, ow, *kernel, *stride, *padding, count_include_pad)
    launch("pool.cu", "avg_pool2d_adjoint_kernel", blocks_for(gx.size), THREADS, contiguous(g), gx, *geometry)
    return gx


def _int64(index: Array) -> Array:
    """The places as the kernels read them: int64, C-contiguous."""
    return contiguous(index if index.dtype == np.int64 else index.astype(np.int64))
