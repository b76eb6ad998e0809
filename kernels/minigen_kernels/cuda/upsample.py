"""Enlarging images by whole factors in CUDA: shapes and grids here, the arithmetic in ``upsample.cu``.

Imports: ``launch.py``. Specification: the same file in ``reference``. Read next: ``upsample.cu``, ``norm.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.cuda.activation import channel_sums
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch, zeros
from minigen_kernels.reference.activation import check_bias_act
from minigen_kernels.reference.upsample import check_enlarged


def upsample_nearest2d(x: Array, scale: Pair) -> Array:
    """Every cell becomes a block of equal cells: x (N, C, H, W) -> y (N, C, H*fh, W*fw)."""
    return _enlarge("upsample_nearest2d_kernel", x, scale)


def block_sum2d(g: Array, scale: Pair) -> Array:
    """The sum of every block of cells: g (N, C, H*fh, W*fw) -> gx (N, C, H, W)."""
    return _reduce("block_sum2d_kernel", g, scale)


def upsample_bilinear2d(x: Array, scale: Pair) -> Array:
    """Straight-line interpolation between cell centres: x (N, C, H, W) -> y (N, C, H*fh, W*fw)."""
    return _enlarge("upsample_bilinear2d_kernel", x, scale)


def upsample_bilinear2d_adjoint(g: Array, scale: Pair) -> Array:
    """The adjoint of `upsample_bilinear2d`: g (N, C, H*fh, W*fw) -> gx (N, C, H, W)."""
    return _reduce("upsample_bilinear2d_adjoint_kernel", g, scale)


def bias_act_upsample_backward(gy: Array, y: Array, activation: str, slope: float, scale: Pair) -> tuple[Array, Array]:
    """Gradients before an enlargement: gy (N, C, H*fh, W*fw), y (N, C, H, W) -> gx (N, C, H, W), gb (C,)."""
    check_enlarged("bias_act_upsample_backward", gy, y, scale)
    N, C, H, W = y.shape
    code = check_bias_act("bias_act_upsample_backward", as_ncl(y), activation, slope, gy=as_ncl(y))
    gx = empty(y.shape, y.dtype)
    if not y.size:
        return gx, zeros((C,), y.dtype)
    gb = empty((C,), y.dtype)
    grid, sums = channel_sums((N, C, H * W))
    operands = contiguous(gy), contiguous(y), gx, *sums[:2], gb, code, slope, W, *scale, *sums[2:]
    launch("upsample.cu", "bias_act_upsample_backward_kernel", grid, THREADS, *operands)
    return gx, gb


def _enlarge(kernel: str, x: Array, scale: Pair) -> Array:
    N, C, H, W = x.shape
    y = empty((N, C, H * scale[0], W * scale[1]), x.dtype)
    launch("upsample.cu", kernel, blocks_for(y.size), THREADS, contiguous(x), y, N * C, H, W, *scale)
    return y


def _reduce(kernel: str, g: Array, scale: Pair) -> Array:
    N, C, oh, ow = g.shape
    H, W = oh // scale[0], ow // scale[1]
    gx = empty((N, C, H, W), g.dtype)
    launch("upsample.cu", kernel, blocks_for(gx.size), THREADS, contiguous(g), gx, N * C, H, W, *scale)
    return gx
