"""Convolution and its two adjoints as loops.

The three walk through the same tuples (n, k, i, j, c, u, v). In each of them three cells meet: one of the result y (or
of its gradient g), a weight of w, and the cell (a, b) of the image x that lies under this weight, if there is one. Two
of the three are multiplied, and the product is added to the third. They differ in the last line alone.

Imports: NumPy, Numba, ``../reference/activation.py``. Specification: ``../reference/conv.py``. Read next: ``conv.cu``.
"""

# What Numba says of its own types is not all of it.
# mypy: disable-error-code="call-arg, type-var"

from __future__ import annotations

import numba
import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.reference.activation import bias_act


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
    y = np.zeros((len(x), len(w), *out_hw), x.dtype)
    _add_to_results(x, w, y, stride, padding, dilation, groups)
    return _ended(y, b, activation, slope)


@numba.njit
def _add_to_results(x: Array, w: Array, y: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> None:
    N, K, oh, ow = y.shape
    Cg, kh, kw = w.shape[1:]
    for n in range(N):
        for k in range(K):
            first = k // (K // groups) * Cg  # the first channel of the image in the group of k
            for i in range(oh):
                for j in range(ow):
                    for c in range(Cg):
                        for u in range(kh):
                            for v in range(kw):
                                a = i * stride[0] - padding[0] + u * dilation[0]
                                b = j * stride[1] - padding[1] + v * dilation[1]
                                if 0 <= a < x.shape[2] and 0 <= b < x.shape[3]:
                                    y[n, k, i, j] += w[k, c, u, v] * x[n, first + c, a, b]


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
    gx = np.zeros((len(g), w.shape[1] * groups, *out_hw), g.dtype)
    _add_to_image(gx, w, g, stride, padding, dilation, groups)
    return _ended(gx, b, activation, slope)


@numba.njit
def _add_to_image(gx: Array, w: Array, g: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> None:
    N, K, oh, ow = g.shape
    Cg, kh, kw = w.shape[1:]
    for n in range(N):
        for k in range(K):
            first = k // (K // groups) * Cg
            for i in range(oh):
                for j in range(ow):
                    for c in range(Cg):
                        for u in range(kh):
                            for v in range(kw):
                                a = i * stride[0] - padding[0] + u * dilation[0]
                                b = j * stride[1] - padding[1] + v * dilation[1]
                                if 0 <= a < gx.shape[2] and 0 <= b < gx.shape[3]:
                                    gx[n, first + c, a, b] += w[k, c, u, v] * g[n, k, i, j]


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in w: x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    gw = np.zeros((g.shape[1], x.shape[1] // groups, *kernel_hw), x.dtype)
    _add_to_weights(x, gw, g, stride, padding, dilation, groups)
    return gw


@numba.njit
def _add_to_weights(x: Array, gw: Array, g: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> None:
    N, K, oh, ow = g.shape
    Cg, kh, kw = gw.shape[1:]
    for n in range(N):
        for k in range(K):
            first = k // (K // groups) * Cg
            for i in range(oh):
                for j in range(ow):
                    for c in range(Cg):
                        for u in range(kh):
                            for v in range(kw):
                                a = i * stride[0] - padding[0] + u * dilation[0]
                                b = j * stride[1] - padding[1] + v * dilation[1]
                                if 0 <= a < x.shape[2] and 0 <= b < x.shape[3]:
                                    gw[k, c, u, v] += g[n, k, i, j] * x[n, first + c, a, b]


def _ended(y: Array, b: Array | None, activation: str, slope: float) -> Array:
    """Add the bias and apply the activation, if there is a bias."""
    return y if b is None else bias_act(as_ncl(y), b, activation, slope).reshape(y.shape)
