"""Enlarging images by whole factors, nearest and bilinear, and the two adjoints.

All four are linear and work on each axis alone: two small steps, rows then columns.

This file is the specification. Imports: NumPy. Read next: ``norm.py``, ``../cpu/upsample.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.reference.activation import bias_act_backward


def upsample_nearest2d(x: Array, scale: Pair) -> Array:
    """Every cell becomes a block of fh x fw equal cells: y[..., i, j] = x[..., i // fh, j // fw].

    x (N, C, H, W), scale = (fh, fw) -> y (N, C, H*fh, W*fw).
    """
    return np.repeat(np.repeat(x, scale[0], axis=2), scale[1], axis=3)


def block_sum2d(g: Array, scale: Pair) -> Array:
    """The adjoint of `upsample_nearest2d`: the sum of every block of fh x fw cells.

    g (N, C, H*fh, W*fw), scale = (fh, fw) -> gx (N, C, H, W).
    """
    N, C, oh, ow = g.shape
    fh, fw = scale
    total: Array = g.reshape(N, C, oh // fh, fh, ow // fw, fw).sum(axis=(3, 5))
    return total


def upsample_bilinear2d(x: Array, scale: Pair) -> Array:
    """Straight-line interpolation between the centres of the cells, constant beyond the outer ones.

    On each axis, with cells as unit intervals: the centre of result i is at s = (i + 1/2) / f - 1/2 in
    units of the cells of x, clamped to [0, H-1]; with a = floor(s) and t = s - a the result is
    (1 - t) * x[a] + t * x[min(a + 1, H - 1)].

    x (N, C, H, W), scale = (fh, fw) -> y (N, C, H*fh, W*fw).
    """
    rows = _interpolation(x.shape[2], scale[0], x.dtype)
    columns = _interpolation(x.shape[3], scale[1], x.dtype)
    y: Array = rows @ x @ columns.T
    return y


def upsample_bilinear2d_adjoint(g: Array, scale: Pair) -> Array:
    """The adjoint of `upsample_bilinear2d`. g (N, C, H*fh, W*fw) -> gx (N, C, H, W)."""
    rows = _interpolation(g.shape[2] // scale[0], scale[0], g.dtype)
    columns = _interpolation(g.shape[3] // scale[1], scale[1], g.dtype)
    gx: Array = rows.T @ g @ columns
    return gx


def bias_act_upsample_backward(gy: Array, y: Array, activation: str, slope: float, scale: Pair) -> tuple[Array, Array]:
    """Gradients of upsample_nearest2d(y, scale), y = bias_act(x, b), in x and b: `bias_act_backward` of `block_sum2d`.

    gy (N, C, H*fh, W*fw), y (N, C, H, W) -> gx (N, C, H, W), gb (C,).
    """
    check_enlarged("bias_act_upsample_backward", gy, y, scale)
    gx, gb = bias_act_backward(as_ncl(block_sum2d(gy, scale)), as_ncl(y), activation, slope)
    return gx.reshape(y.shape), gb


def check_enlarged(name: str, gy: Array, y: Array, scale: Pair) -> None:
    """Raise ValueError unless gy is like y, `scale` times as large. All versions call this."""
    N, C, H, W = y.shape
    wanted = (N, C, H * scale[0], W * scale[1])
    if gy.shape != wanted or gy.dtype != y.dtype:
        got = f"shape {gy.shape} and dtype {gy.dtype}"
        raise ValueError(f"{name}: gy has {got}, but y {y.shape} and scale {scale} ask for {wanted} and {y.dtype}")


def _interpolation(size: int, factor: int, dtype: np.dtype[np.generic]) -> Array:
    """The matrix (size * factor, size) of the interpolation along one axis."""
    place = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    t = place - low
    matrix = np.zeros((size * factor, size))
    result = np.arange(size * factor)
    matrix[result, low] += 1 - t
    matrix[result, high] += t
    return matrix.astype(dtype)
