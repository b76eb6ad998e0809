"""Images at any other size in CUDA: shapes and grids here, the arithmetic in ``interpolate.cu``.

Imports: ``launch.py``. Specification: the same file in ``reference``. Read next: ``interpolate.cu``, ``norm.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Pair, Step
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch


def interpolate_nearest2d(x: Array, out_hw: Pair, step: Step) -> Array:
    """Each result is the pixel in which its place lies: x (N, C, H, W) -> y (N, C, oh, ow)."""
    return _launch("interpolate_nearest2d_kernel", x, out_hw, x.shape[2:], out_hw, step)


def interpolate_nearest2d_adjoint(g: Array, hw: Pair, step: Step) -> Array:
    """Every pixel gets the sum of the results that it gave: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    return _launch("interpolate_nearest2d_adjoint_kernel", g, hw, hw, g.shape[2:], step)


def interpolate_bilinear2d(x: Array, out_hw: Pair, step: Step, align_corners: bool) -> Array:
    """Each result lies on a straight line between two pixels on each axis: x (N, C, H, W) -> y (N, C, oh, ow)."""
    return _launch("interpolate_bilinear2d_kernel", x, out_hw, x.shape[2:], out_hw, step, align_corners)


def interpolate_bilinear2d_adjoint(g: Array, hw: Pair, step: Step, align_corners: bool) -> Array:
    """Every pixel gets what the results took of it: g (N, C, oh, ow) -> gx (N, C, H, W)."""
    return _launch("interpolate_bilinear2d_adjoint_kernel", g, hw, hw, g.shape[2:], step, align_corners)


def _launch(kernel: str, a: Array, written: Pair, hw: Pair, out_hw: Pair, step: Step, *align_corners: bool) -> Array:
    """`a` to an array of `written` rows and columns; H, W and oh, ow are given in the same order to all kernels."""
    b = empty((*a.shape[:2], *written), a.dtype)
    planes = a.shape[0] * a.shape[1]
    operands = contiguous(a), b, planes, *hw, *out_hw, *step, *align_corners
    launch("interpolate.cu", kernel, blocks_for(b.size), THREADS, *operands)
    return b
