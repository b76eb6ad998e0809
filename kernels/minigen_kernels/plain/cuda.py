"""How the plain CUDA kernels are launched: a thread for each cell of the result, in blocks of 256.

Imports: NumPy, ``../cuda/launch.py``. Specification: the same functions in ``../reference``. Read next: ``conv.cu``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.cuda.activation import bias_act
from minigen_kernels.cuda.launch import THREADS, contiguous, empty, launch

HERE = Path(__file__).parent


def conv2d(
    x: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    b: Array | None = None,
    activation: str = "identity",
    slope: float = 0.0,
) -> Array:
    """Cross-correlation and, with a bias, what ends it: x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow)."""
    y = empty((len(x), len(w), *out_hw), x.dtype)
    sizes = (*x.shape, len(w), *w.shape[2:], *out_hw, *stride, *padding, *dilation, groups)
    _launch("conv.cu", "conv2d", y.size, x, w, y, *sizes)
    return _ended(y, b, activation, slope)


def conv_transpose2d(
    g: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    b: Array | None = None,
    activation: str = "identity",
    slope: float = 0.0,
) -> Array:
    """The adjoint in x and, with a bias, what ends it: g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W)."""
    gx = empty((len(g), w.shape[1] * groups, *out_hw), g.dtype)
    sizes = (*gx.shape, len(w), *w.shape[2:], *g.shape[2:], *stride, *padding, *dilation, groups)
    _launch("conv.cu", "conv_transpose2d", gx.size, g, w, gx, *sizes)
    return _ended(gx, b, activation, slope)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in w: x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    gw = empty((g.shape[1], x.shape[1] // groups, *kernel_hw), x.dtype)
    sizes = (*x.shape, g.shape[1], *kernel_hw, *g.shape[2:], *stride, *padding, *dilation, groups)
    _launch("conv.cu", "conv2d_weight_grad", gw.size, x, g, gw, *sizes)
    return gw


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N), both of one dtype -> (M, N)."""
    y = empty((len(a), b.shape[1]), a.dtype)
    _launch("gemm.cu", "matmul", y.size, a, b, y, *a.shape, b.shape[1])
    return y


def max_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Maxima: x (N, C, H, W) -> y (N, C, oh, ow), and where in their planes they stand, int64."""
    N, C, H, W = x.shape
    y, index = empty((N, C, *out_hw), x.dtype), empty((N, C, *out_hw), np.int64)
    _launch("pool.cu", "max_pool2d", y.size, x, y, index, N * C, H, W, *out_hw, *kernel, *stride, *padding)
    return y, index


def softmax(x: Array) -> Array:
    """y = exp(x) / sum exp(x), the sum over each row: x (R, K) -> y (R, K), K at least 1."""
    y = empty(x.shape, x.dtype)
    _launch("softmax.cu", "softmax", y.size, x, y, *x.shape)
    return y


def _launch(file: str, kernel: str, cells: int, *arguments: Any) -> None:
    """Launch a thread for each cell of the result. ValueError where an int cannot count the cells."""
    if max(cells, *(a.size for a in arguments if hasattr(a, "size"))) > 2**31 - THREADS:
        raise ValueError(f"{kernel}: the plain kernels count cells in 32 bits; take arrays of fewer than 2**31 cells")
    given = [contiguous(a) if hasattr(a, "flags") else a for a in arguments]
    launch(str(HERE / file), kernel, max(1, -(-cells // THREADS)), THREADS, *given)


def _ended(y: Array, b: Array | None, activation: str, slope: float) -> Array:
    """Add the bias and apply the activation, if there is a bias: with the kernel of the CUDA room."""
    return y if b is None else bias_act(as_ncl(y), b, activation, slope).reshape(y.shape)
