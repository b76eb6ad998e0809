"""Enlarging images by whole factors in CUDA: shapes and grids here, the arithmetic in ``upsample.cu``.

Imports: ``launch.py``. Specification: the same file in ``reference``. Read next: ``upsample.cu``, ``norm.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Pair
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch


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
