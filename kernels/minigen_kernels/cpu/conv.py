"""Convolution and its two adjoints on the CPU, mostly without im2col.

A convolution is a matrix product whose second matrix is read from the zero-padded image, shifted, instead of from one
copy of the image for each offset (u, v) of the kernel. There are eight ways to compute it; ``choice.py`` chooses.

* "windows", the usual one (``channels_last.py``): the numbers of all channels at a pixel are neighbours. The sums of a
  few pixels and of some registers of result channels are kept in registers.
* "frames", for few channels of the result (``frame.py``): registers hold neighbouring pixels, or samples. In a *frame*
  the offset (channel, u, v), a *tap*, has a fixed distance from the place p of the result, so that

      y[k, p] = sum over t of w[k, t] * frame[p + offset[t]].

* "dots" (``dots.py``): few channels of the result from many, which lie last: lanes are terms of the sums.
* "depthwise" (``depthwise.py``): as many groups as channels, which lie last.
* Minimal filters (``winograd.py``): with many channels, tiles of results take a quarter to a half of the
  multiplications.
* "spectra" (``spectral.py``): with large kernels and many channels, products of spectra take less work.
* "product": a kernel of 1 x 1 on channels that come first is a matrix product for each sample (``stack.py``). Where
  channels are last, its gradients are products, too, with a row for each pixel.
* "columns" (``columns.py``): images are copied for each offset after all, where there are fewer pixels than weights.

The adjoint in x is the same sum over a frame of g, once for each phase of its result. The adjoint in w multiplies a
frame of x with the gradients of the results at the same places; with few channels see ``thin.py``. Images may come
channels first or last (``layout.py``); windows, minimal filters and depthwise convolutions answer channels last,
columns as they are asked, all others channels first.

The work is done in groups of samples that fit into the second-level cache. The way and the groups depend only on the
shapes and the layout, and so do the bits of a result. The zeros of a frame are multiplied like any number: infinities
and NaN in kernels and gradients can spread further than in the reference, with minimal filters and spectra those in
images too.

Imports: NumPy, ``channels_last.py``, ``choice.py``, ``circle.py``, ``columns.py``, ``depthwise.py``, ``dots.py``,
``frame.py``, ``frame_sums.py``, ``gemm.py``, ``layout.py``, ``spectral.py``, ``stack.py``, ``taps.py``, ``thin.py``,
``window_sums.py``, ``winograd.py``. Specification: ``../reference/conv.py``. Read next: ``channels_last.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from minigen_kernels import Array, Pair, as_ncl
from minigen_kernels.cpu import columns, depthwise, dots, spectral, thin, window_sums, winograd
from minigen_kernels.cpu.activation import bias_act
from minigen_kernels.cpu.channels_last import correlate, weight_grad
from minigen_kernels.cpu.choice import algorithm, groups_at_once, one_cell
from minigen_kernels.cpu.circle import Geometry, circle
from minigen_kernels.cpu.frame import Frame, filled_up
from minigen_kernels.cpu.frame_sums import sum_in_frames, taps_at_once
from minigen_kernels.cpu.gemm import matmul
from minigen_kernels.cpu.layout import as_channels_first, as_channels_last, is_channels_last, lies_last
from minigen_kernels.cpu.stack import multiply_stack
from minigen_kernels.cpu.taps import dot_of_taps
from minigen_kernels.cpu.upsample import upsample_nearest2d

#: What the frame and the results of a group of samples may take together: dot products gain from long rows.
DOT_GROUP_BYTES = 1 << 21


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
    K, Cg, kh, kw = w.shape
    geometry = Geometry(x.shape[2:], out_hw, (kh, kw), stride, padding, dilation)
    if stride != (1, 1) and lies_last(x) and one_cell(geometry, groups):
        return conv2d(_met_alone(x, out_hw, stride), w, out_hw, (1, 1), padding, dilation, 1, b, activation, slope)
    way = algorithm(x.shape[0], Cg, K // groups, groups, geometry, x.itemsize, lies_last(x), transposed=False)
    if way == "windows":
        return _ended(partial(correlate, x, w, False, geometry, groups), b, activation, slope)
    if isinstance(way, int):
        sizes = stride, padding, dilation, groups
        return _ended(partial(winograd.conv2d, x, w, out_hw, *sizes, way), b, activation, slope)
    if way == "depthwise":
        return _ended(partial(depthwise.correlate, x, w, False, geometry), b, activation, slope)
    if way == "columns":
        y = columns.conv2d(x, w, geometry)
        y = as_channels_last(y) if is_channels_last(x) else y
    elif way == "dots":
        y = dots.correlate(x, w, False, geometry)
    elif way == "product":
        y = _mix_channels(np.ascontiguousarray(w[:, :, 0, 0]), _met(as_channels_first(x), out_hw, stride))
    elif way == "spectra":
        y = spectral.conv2d(as_channels_first(x), w, out_hw, groups, circle(geometry, x.dtype))
    else:
        y = sum_in_frames(x, w.reshape(groups, K // groups, Cg, kh, kw), out_hw, *geometry.window())
    return y if b is None else bias_act(as_ncl(y), b, activation, slope).reshape(y.shape)


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
    K, Cg, kh, kw = w.shape
    geometry = Geometry(out_hw, g.shape[2:], (kh, kw), stride, padding, dilation)
    last = lies_last(g)
    if b is None and last and one_cell(geometry, groups):
        met = matmul(_by_pixel(g), w.reshape(K, Cg)).reshape(len(g), *g.shape[2:], Cg).transpose(0, 3, 1, 2)
        if _same_cells(geometry, groups):
            return met
        gx = np.zeros((len(g), *out_hw, Cg), g.dtype).transpose(0, 3, 1, 2)
        _met(gx, g.shape[2:], stride)[...] = met
        return gx
    way = algorithm(g.shape[0], Cg, K // groups, groups, geometry, g.itemsize, last, transposed=True)
    if way == "windows":
        return _ended(partial(correlate, g, w, True, geometry, groups), b, activation, slope)
    if isinstance(way, int):
        sizes = stride, padding, dilation, groups
        return _ended(partial(winograd.conv_transpose2d, g, w, out_hw, *sizes, way), b, activation, slope)
    if way == "depthwise":
        return _ended(partial(depthwise.correlate, g, w, True, geometry), b, activation, slope)
    if way == "columns":
        gx = columns.conv_transpose2d(g, w, geometry)
        gx = as_channels_last(gx) if is_channels_last(g) else gx
    elif way == "dots":
        gx = dots.correlate(g, w, True, geometry)
    elif way == "product":
        gx = _mix_channels(np.ascontiguousarray(w[:, :, 0, 0]).T, as_channels_first(g))
        if gx.shape[2:] != out_hw:
            mixed, gx = gx, np.zeros((len(g), Cg, *out_hw), g.dtype)
            _met(gx, g.shape[2:], stride)[...] = mixed
    elif way == "spectra":
        gx = spectral.conv_transpose2d(as_channels_first(g), w, out_hw, groups, circle(geometry, g.dtype))
    else:
        gx = sum_in_frames(g, w.reshape(groups, K // groups, Cg, kh, kw).swapaxes(1, 2), out_hw, *geometry.spread())
    return gx if b is None else bias_act(as_ncl(gx), b, activation, slope).reshape(gx.shape)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The adjoint in w: x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    N, C = x.shape[:2]
    K = g.shape[1]
    if x.size == 0 or g.size == 0:
        return np.zeros((K, C // groups, *kernel_hw), x.dtype)
    geometry = Geometry(x.shape[2:], g.shape[2:], kernel_hw, stride, padding, dilation)
    if one_cell(geometry, groups) and is_channels_last(x):
        met = x if _same_cells(geometry, groups) else _met_alone(x, g.shape[2:], stride)
        return matmul(_by_pixel(g).T, _by_pixel(met)).reshape(K, C, 1, 1)
    of_groups = (N, C // groups, K // groups, groups, geometry, x.itemsize, lies_last(x))
    if (joined := groups_at_once(*of_groups)) > 1:
        gw = conv2d_weight_grad(x, g, kernel_hw, stride, padding, dilation, groups // joined)
        pairs = gw.reshape(groups // joined, joined, K // groups, joined, C // groups, *kernel_hw)
        own = np.arange(joined)
        return np.moveaxis(pairs[:, own, :, own], 0, 1).reshape(K, C // groups, *kernel_hw)
    way = algorithm(*of_groups, transposed=None)
    if way == "windows" and groups == 1 and (order := thin.fitting(C, K, geometry, x.itemsize)):
        return (thin.turned if order == "turned" else thin.weight_grad)(x, g, geometry)
    if way == "windows":
        return weight_grad(x, g, geometry, groups)
    if isinstance(way, int):
        return winograd.conv2d_weight_grad(x, g, kernel_hw, stride, padding, dilation, groups, way)
    if way == "columns":
        return columns.weight_grad(x, g, geometry)
    if way == "depthwise":
        return depthwise.weight_grad(x, g, geometry)
    x, g = as_channels_first(x), as_channels_first(g)
    if way == "spectra":
        return spectral.conv2d_weight_grad(x, g, kernel_hw, groups, circle(geometry, x.dtype))
    frame = Frame(x, groups, K, *geometry.window(), DOT_GROUP_BYTES)
    (part,) = frame.parts
    offsets = frame.offsets(part)
    T = len(offsets)
    offsets = filled_up(offsets, 4)
    results = frame.results()
    gw = np.zeros((groups, results.shape[1], len(offsets)), x.dtype)
    at_once = taps_at_once(T, frame.cells.nbytes)
    for first in range(0, N, frame.samples):
        count = min(frame.samples, N - first)
        frame.pack(x, first, count)
        frame.pack_results(g, first, count, results)
        dot_of_taps(frame.cells, offsets, results, gw, frame.starts(count, part, 1), at_once)
    return gw[:, : K // groups, :T].reshape(K, C // groups, *kernel_hw)


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
    y = conv2d(x, w, out_hw, stride, padding, dilation, groups, b, activation, slope)
    return y, upsample_nearest2d(y, scale)


def _ended(sums: Callable[..., Array], b: Array | None, activation: str, slope: float) -> Array:
    """With a bias: `sums` adds it and does a leaky ReLU in the same pass; other activations take a second one."""
    if b is None:
        return sums()
    if activation == "identity":
        return sums(b=b, end=window_sums.BIAS)
    if activation == "leaky_relu":
        return sums(b=b, end=window_sums.LEAKY_RELU if slope else window_sums.RELU, slope=slope)
    y = sums()
    return bias_act(as_ncl(y), b, activation, slope).reshape(y.shape)


def _same_cells(geometry: Geometry, groups: int) -> bool:
    """Whether every result sees the cell at its own place, in all channels."""
    return one_cell(geometry, groups) and geometry.hw == geometry.out_hw and geometry.stride == (1, 1)


def _by_pixel(x: Array) -> Array:
    """x (N, C, H, W) as the matrix (N * H * W, C)."""
    return as_channels_last(x).transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _met(x: Array, out_hw: Pair, stride: Pair) -> Array:
    """The cells of x (N, C, H, W) that a window of one cell meets: a view (N, C, oh, ow)."""
    (oh, ow), (sh, sw) = out_hw, stride
    return x[:, :, : oh * sh : sh, : ow * sw : sw]


def _met_alone(x: Array, out_hw: Pair, stride: Pair) -> Array:
    """The same of an x whose channels are last, as an array of its own."""
    return np.ascontiguousarray(_met(x, out_hw, stride).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _mix_channels(w: Array, x: Array) -> Array:
    """Apply a matrix to the channels: w (K, C), x (N, C, H, W) -> (N, K, H, W)."""
    N, C, H, W = x.shape
    mixed = np.empty((N, len(w), H * W), x.dtype)
    multiply_stack(w[None], x.reshape(N, C, H * W), mixed)
    return mixed.reshape(N, len(w), H, W)
