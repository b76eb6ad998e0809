"""Convolution and its two adjoints, the obvious way: one small tensor product per kernel offset.

Each of the three is linear in both of its arrays, and each is the gradient of the other two:

    <conv2d(x, w), g>  =  <x, conv_transpose2d(g, w)>  =  <w, conv2d_weight_grad(x, g)>

Shapes, the same in all three: image x (N, C, H, W), kernel w (K, C/groups, kh, kw), result
y or g (N, K, oh, ow). Channel k belongs to group k // (K/groups) and sees only the channels c of
the image that belong to the same group. Geometry is given as (vertical, horizontal) pairs; `padding`
is that of the top and left edge, the bottom and right one follow from `out_hw`. Any `out_hw` is
allowed: outside the image there is zero. Derived in docs/guide/06_convolution.md.

This file is the specification. Imports: NumPy. Read next: ``pool.py``, then ``../cpu/conv.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.reference.activation import bias_act
from minigen_kernels.reference.upsample import upsample_nearest2d


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
    """Cross-correlation (what networks call convolution) of images with kernels.

    y[n, k, i, j] = sum over c, u, v of
    w[k, c, u, v] * x[n, group(k) * C/groups + c, i*sh - ph + u*dh, j*sw - pw + v*dw]

    with zero outside the image. x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow).

    With a bias b (K,) the result is `bias_act` of that y and b, with the activation and its slope.
    """
    N, C, H, W = x.shape
    K, Cg, kh, kw = w.shape
    frame = np.zeros((N, C, *_frame_hw(out_hw, (kh, kw), stride, dilation)), x.dtype)
    inside, image = _overlap((H, W), frame.shape[2:], padding)
    frame[inside] = x[image]

    frame = frame.reshape(N, groups, Cg, *frame.shape[2:])
    wg = w.reshape(groups, K // groups, Cg, kh, kw)
    y = np.zeros((N, groups, K // groups, *out_hw), x.dtype)
    for u, v in np.ndindex(kh, kw):
        seen = frame[_cells_under(u, v, out_hw, stride, dilation)]
        y += np.einsum("gkc,ngcij->ngkij", wg[..., u, v], seen)
    return _ended(y.reshape(N, K, *out_hw), b, activation, slope)


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
    """The adjoint of `conv2d` in x: every cell of g adds a copy of its kernel to the image.

    gx[n, c, i*sh - ph + u*dh, j*sw - pw + v*dw] += w[k, c, u, v] * g[n, k, i, j] for all n, k, i, j,
    u, v and the c of k's group; what falls outside the image is lost. Here `out_hw` is the (H, W) of
    the image. g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W). With a bias b (C,) as in `conv2d`.
    """
    N, K, oh, ow = g.shape
    _, Cg, kh, kw = w.shape
    gg = g.reshape(N, groups, K // groups, oh, ow)
    wg = w.reshape(groups, K // groups, Cg, kh, kw)
    frame_hw = _frame_hw((oh, ow), (kh, kw), stride, dilation)
    frame = np.zeros((N, groups, Cg, *frame_hw), g.dtype)
    for u, v in np.ndindex(kh, kw):
        seen = _cells_under(u, v, (oh, ow), stride, dilation)
        frame[seen] += np.einsum("gkc,ngkij->ngcij", wg[..., u, v], gg)

    gx = np.zeros((N, groups * Cg, *out_hw), g.dtype)
    inside, image = _overlap(out_hw, frame_hw, padding)
    gx[image] = frame.reshape(N, groups * Cg, *frame_hw)[inside]
    return _ended(gx, b, activation, slope)


def conv2d_upsample(
    x: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    b: Array,
    activation: str,
    slope: float,
    scale: Pair,
) -> tuple[Array, Array]:
    """`conv2d` with a bias, and the nearest enlargement of that: -> y (N, K, oh, ow), large (N, K, oh*fh, ow*fw)."""
    y = conv2d(x, w, out_hw, stride, padding, dilation, groups, b, activation, slope)
    return y, upsample_nearest2d(y, scale)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint of `conv2d` in w: the correlation of the image with the gradient of the result.

    gw[k, c, u, v] = sum over n, i, j of
    g[n, k, i, j] * x[n, group(k) * C/groups + c, i*sh - ph + u*dh, j*sw - pw + v*dw]

    x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw).
    """
    N, C, H, W = x.shape
    _, K, oh, ow = g.shape
    kh, kw = kernel_hw
    frame = np.zeros((N, C, *_frame_hw((oh, ow), kernel_hw, stride, dilation)), x.dtype)
    inside, image = _overlap((H, W), frame.shape[2:], padding)
    frame[inside] = x[image]

    frame = frame.reshape(N, groups, C // groups, *frame.shape[2:])
    gg = g.reshape(N, groups, K // groups, oh, ow)
    gw = np.zeros((groups, K // groups, C // groups, kh, kw), x.dtype)
    for u, v in np.ndindex(kh, kw):
        seen = frame[_cells_under(u, v, (oh, ow), stride, dilation)]
        gw[..., u, v] = np.einsum("ngkij,ngcij->gkc", gg, seen)
    return gw.reshape(K, C // groups, kh, kw)


def _ended(y: Array, b: Array | None, activation: str, slope: float) -> Array:
    """Add the bias and apply the activation, if there is a bias."""
    return y if b is None else bias_act(as_ncl(y), b, activation, slope).reshape(y.shape)


def _frame_hw(out_hw: Pair, kernel_hw: Pair, stride: Pair, dilation: Pair) -> Pair:
    """Height and width of the frame: all cells that the kernels of `out_hw` results can see."""
    h, w = ((o - 1) * s + (k - 1) * d + 1 if o > 0 else 0 for o, k, s, d in zip(out_hw, kernel_hw, stride, dilation))
    return h, w


def _overlap(hw: Pair, frame_hw: tuple[int, ...], padding: Pair) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where image and frame overlap, as indices into the frame and into the image.

    Cell (a, b) of the frame is cell (a - ph, b - pw) of the image.
    """
    inside: tuple[slice, ...] = (slice(None), slice(None))
    image = inside
    for size, frame_size, p in zip(hw, frame_hw, padding):
        stop = max(p, min(p + size, frame_size))
        inside += (slice(p, stop),)
        image += (slice(0, stop - p),)
    return inside, image


def _cells_under(u: int, v: int, out_hw: Pair, stride: Pair, dilation: Pair) -> tuple[Any, ...]:
    """The cells of the frame that offset (u, v) of the kernel meets, one per result."""
    rows = slice(u * dilation[0], u * dilation[0] + out_hw[0] * stride[0], stride[0])
    columns = slice(v * dilation[1], v * dilation[1] + out_hw[1] * stride[1], stride[1])
    return (Ellipsis, rows, columns)
