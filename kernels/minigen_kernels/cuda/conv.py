"""Convolution and its two adjoints in CUDA: which kernel of ``conv.cu`` runs, and on what grid.

A tile of results is worth its shared memory when it is full: many rows (channels of the result), and sums long enough
to pay for the way in and out. What is narrower goes to the direct kernels. The choice follows from the shapes alone.

Imports: NumPy, ``launch.py``, ``source.py``. Specification: ``../reference/conv.py``. Read next: ``conv.cu``.
"""

from __future__ import annotations

import math

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.cuda.launch import contiguous, counters, empty, launch, zeros
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.activation import check_bias_act

SIZES = constants("conv.cu")
BLOCK = SIZES["BLOCK"]

#: Up to so many rows, or terms of a sum, the direct kernels run; above, tiles of 16 rows, then of 64.
DIRECT_ROWS = 8
DIRECT_TERMS = 32
FLAT_ROWS_UP_TO = 32

#: Weights (of a group) up to which each has a block of its own for its gradient.
DIRECT_WEIGHTS = 64
#: Tiles of a weight's gradient are few, their sums long: sums are cut into parts until there are so many blocks, but
#: a part has at least so many terms. Constants, so that the bits do not depend on the device.
WANTED_BLOCKS = 512
PART_TERMS = 512


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
    return _conv2d(x, w, out_hw, stride, padding, dilation, groups, b, activation, slope, None)[0]


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
    """`conv2d` with a bias, and its nearest enlargement: -> y (N, K, oh, ow), large (N, K, oh*fh, ow*fw)."""
    return _conv2d(x, w, out_hw, stride, padding, dilation, groups, b, activation, slope, scale)


def _conv2d(
    x: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    b: Array | None,
    activation: str,
    slope: float,
    scale: Pair | None,
) -> tuple[Array, Array]:
    """The result and its enlargement by `scale`, which is the result itself for none."""
    N, C, H, W = x.shape
    K, Cg, kh, kw = w.shape
    if C != Cg * groups or K % groups:
        raise ValueError(
            f"conv2d: x {x.shape}, w {w.shape}, groups {groups}: x must have w.shape[1] * groups channels, "
            "and groups divide w.shape[0]"
        )
    _check_planes("conv2d", (H, W), out_hw)
    y = empty((N, K, *out_hw), x.dtype)
    large = y if scale is None else empty((N, K, out_hw[0] * scale[0], out_hw[1] * scale[1]), x.dtype)
    ended = _ended("conv2d", y, b, activation, slope)
    if y.size == 0:
        return y, large
    kernel, rows, places = _window_kernel(K // groups, Cg * kh * kw)
    grid = (-(-(N * out_hw[0] * out_hw[1]) // places), -(-(K // groups) // rows), groups)
    sizes = (N, C, H, W, K, kh, kw, *out_hw, *stride, *padding, *dilation, groups)
    arrays = contiguous(x), contiguous(w), y, ended[0], large
    launch("conv.cu", f"conv2d_{kernel}", grid, BLOCK, *arrays, *ended[1:], *(scale or (0, 0)), *sizes)
    return y, large


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
    N, K, oh, ow = g.shape
    Cg, kh, kw = w.shape[1:]
    if K != w.shape[0] or K % groups:
        raise ValueError(
            f"conv_transpose2d: g {g.shape}, w {w.shape}, groups {groups}: g must have w.shape[0] channels, "
            "and groups divide them"
        )
    _check_planes("conv_transpose2d", out_hw, (oh, ow))
    C = Cg * groups
    gx = empty((N, C, *out_hw), g.dtype)
    ended = _ended("conv_transpose2d", gx, b, activation, slope)
    if gx.size == 0:
        return gx
    # Of the kernel's offsets, a cell meets every step-th one.
    steps = [s // math.gcd(s, d) for s, d in zip(stride, dilation)]
    kernel, rows, places = _window_kernel(Cg, K // groups * -(-kh // steps[0]) * -(-kw // steps[1]))
    cells = N * -(-out_hw[0] // stride[0]) * -(-out_hw[1] // stride[1])  # of the largest phase
    grid = (-(-cells // places), -(-Cg // rows), groups * stride[0] * stride[1])
    sizes = (N, C, *out_hw, K, kh, kw, oh, ow, *stride, *padding, *dilation, groups, *steps)
    launch("conv.cu", f"conv_transpose2d_{kernel}", grid, BLOCK, contiguous(g), contiguous(w), gx, *ended, *sizes)
    return gx


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in w: x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    K, oh, ow = g.shape[1:]
    if g.shape[0] != N or C % groups or K % groups:
        raise ValueError(
            f"conv2d_weight_grad: x {x.shape}, g {g.shape}, groups {groups}: x and g must have as many samples, "
            "and groups divide the channels of both"
        )
    _check_planes("conv2d_weight_grad", (H, W), (oh, ow))
    shape = (K, C // groups, *kernel_hw)
    terms = N * oh * ow
    if terms == 0:
        return zeros(shape, x.dtype)
    gw = empty(shape, x.dtype)
    if gw.size == 0:
        return gw
    x, g = contiguous(x), contiguous(g)
    sizes = (N, C, H, W, K, *kernel_hw, oh, ow, *stride, *padding, *dilation, groups)
    places = C // groups * kernel_hw[0] * kernel_hw[1]
    if K // groups * places <= DIRECT_WEIGHTS:
        launch("conv.cu", "conv2d_weight_grad_direct", gw.size, BLOCK, x, g, gw, *sizes)
        return gw
    flat = K // groups <= FLAT_ROWS_UP_TO
    tiles = (-(-places // SIZES["GRAD_PLACES"]), -(-(K // groups) // SIZES["FLAT_ROWS" if flat else "WIDE_ROWS"]))
    parts, part_terms = _parts(terms, tiles[0] * tiles[1] * groups)
    partial = gw if parts == 1 else empty((parts, *shape), x.dtype)
    kernel = "conv2d_weight_grad_flat" if flat else "conv2d_weight_grad_wide"
    count = counters(tiles[0] * tiles[1] * groups)
    launch("conv.cu", kernel, (*tiles, parts * groups), BLOCK, x, g, partial, gw, count, *sizes, part_terms)
    return gw


def _ended(name: str, y: Array, b: Array | None, activation: str, slope: float) -> tuple[Array, int, float]:
    """Bias, activation and slope as the kernels take them; for no bias an array that they do not read, and -1."""
    if b is None:
        return y, -1, 0.0
    return contiguous(b), check_bias_act(name, as_ncl(y), activation, slope, b=b), slope


def _window_kernel(rows: int, terms: int) -> tuple[str, int, int]:
    """The kernel for so many rows and terms, and the rows and places of its block."""
    if rows == 1:
        return "direct1", 1, BLOCK
    if rows <= DIRECT_ROWS or terms <= DIRECT_TERMS:
        return "direct8", 8, BLOCK
    kind = "flat" if rows <= FLAT_ROWS_UP_TO else "wide"
    return kind, SIZES[f"{kind.upper()}_ROWS"], SIZES[f"{kind.upper()}_PLACES"]


def _parts(terms: int, blocks: int) -> tuple[int, int]:
    """Into how many parts a sum is cut, and the terms of a part."""
    parts = max(1, min(WANTED_BLOCKS // blocks, -(-terms // PART_TERMS)))
    part_terms = -(-terms // parts)
    return -(-terms // part_terms), part_terms


def _check_planes(name: str, *planes: Pair) -> None:
    """Raise ValueError for an image whose cells an int cannot count; channels and samples may go beyond."""
    for height, width in planes:
        if height * width >= 2**31:
            raise ValueError(f"{name}: an image of {height} x {width} cells; one channel must have fewer than 2**31")
