"""Convolution and its adjoints by minimal filters (Winograd), for images whose channels lie last.

An image is cut into tiles of m x m results. Tiles and kernels are transformed (``minimal_filters.py``); for each of the
n x n *positions* in a transformed tile there is one product of matrices, (tiles, channels) times (channels, results),
and what comes out is transformed back. F(4 x 4, 3 x 3) takes a quarter of the multiplications of direct sums. The
gradient in w is the transpose: for each position a product (channels, tiles) times (tiles, results), and in the end one
transform for each pair of channels.

A stride s makes s * s phases (``frame.py``) of an image, which count as channels, or of a result, which are computed
one after the other; the kernel of a phase has every s-th tap. So a kernel of 4 x 4 with stride 2 is four of 2 x 2. A
dilation d makes d * d phases of both: result q sees the cells of one phase alone. Groups are computed one by one.

Results that share a tile share its rounding errors, and NaN or an infinity reaches all results of its tiles. Which
results do, and the order of all sums, depend on the shapes alone.

Imports: NumPy, ``frame.py``, ``layout.py``, ``minimal_filters.py``, ``tile_sums.py``, ``tiles.py``,
``window_sums.py``, ``workers.py``. Specification: ``../reference/conv.py``. Read next: ``minimal_filters.py``.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu import window_sums
from minigen_kernels.cpu.frame import filled_up
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import as_channels_first, as_channels_last
from minigen_kernels.cpu.tile import REGISTERS, ROWS
from minigen_kernels.cpu.tile_sums import sum_tiles
from minigen_kernels.cpu.tiles import TILES, Form, filter_phases
from minigen_kernels.cpu.workers import threads

#: What the transformed tiles of a group may take, images and results together.
GROUP_BYTES = 1 << 18
#: The fewest tiles of a group: a transformed kernel comes from a slower cache, and should be used so often at least.
FEWEST_TILES = 24
#: The same for the gradient in w, before a piece is cut evenly: a product of so many terms is added to slower sums.
FEWEST_TERMS = 96
#: Pieces of the tiles that have sums of their own for the gradient in w, the fewest tiles of one, and what all these
#: sums, or those of two pieces, may take. Two cores that share all sums wait for each other's numbers; but sums that
#: come from a slower cache, and adding those of the pieces, take time, too.
MOST_PIECES, FEWEST_OWN, OWN_BYTES, BYTES_OF_TWO = 8, 64, 7 << 18, 11 << 18
#: What the transformed kernels, or their gradients, may take at a time: they stay in the last-level cache.
KERNEL_BYTES = 1 << 23


class Phases(NamedTuple):
    """Convolutions with stride 1, of one or several phases of an image to one phase of a result each.

    starts (phases of the result, phases of the image, 2) and step: the cells; start (phases, 2), stride and size
    (phases, 2): the results; taps_at (phases of the result, phases of the image, 4): row and column of the first tap of
    a kernel, and the steps to the next.
    """

    starts: Array
    step: Pair
    start: Array
    stride: Pair
    size: Array
    taps_at: Array


@functools.lru_cache(maxsize=1024)
def window(out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Phases:
    """`conv2d`: the phases of the image are channels; with a dilation, there are phases of the result instead."""
    if stride != (1, 1):
        cells = np.array(list(np.ndindex(stride)))
        taps_at = np.concatenate([cells, np.broadcast_to(stride, cells.shape)], axis=1)
        return Phases((cells - padding)[None], stride, np.zeros((1, 2), int), (1, 1), np.array([out_hw]), taps_at[None])
    start = np.array([cell for cell in np.ndindex(dilation) if cell[0] < out_hw[0] and cell[1] < out_hw[1]])
    taps_at = np.broadcast_to((0, 0, 1, 1), (len(start), 1, 4)).copy()
    return Phases((start - padding)[:, None], dilation, start, dilation, _count(start, out_hw, dilation), taps_at)


@functools.lru_cache(maxsize=1024)
def spread(out_hw: Pair, r: int, stride: Pair, padding: Pair, dilation: Pair) -> Phases:
    """`conv_transpose2d`: a phase of the result each, with the taps in reverse.

    Result q * s + a - p is the sum of g[q - t] * w[t * s + a] over t < r; with a dilation d, result q * d + a that of
    g[q * d + a + p - t * d] * w[t].
    """
    offset = np.array(list(np.ndindex(stride if dilation == (1, 1) else dilation)))
    if dilation == (1, 1):
        first = -((offset - padding) // stride)
        start = first * stride + offset - padding
        last_tap, taps, apart = (r - 1) * np.array(stride) + offset, stride, stride
    else:
        first, start = offset + padding, offset
        last_tap, taps, apart = np.full_like(offset, r - 1), (1, 1), dilation
    taps_at = np.concatenate([last_tap, np.broadcast_to(np.negative(taps), offset.shape)], axis=1)
    starts = first - (r - 1) * np.array(dilation)
    return Phases(starts[:, None], dilation, start, apart, _count(start, out_hw, apart), taps_at[:, None])


def _count(start: Array, size: Pair, step: Pair) -> Array:
    """How many results there are from `start` (phases, 2) on, in steps."""
    return np.maximum(0, -((start - size) // step))


def conv2d(
    x: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    m: int,
    b: Array | None = None,
    end: int = window_sums.PLAIN,
    slope: float = 0.0,
) -> Array:
    """x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow), channels last; ended as by `correlate`."""
    K, C, kh, kw = w.shape
    y = np.empty((len(x), *out_hw, K), x.dtype)
    phases, form = window(out_hw, stride, padding, dilation), _form(m, (kh, kw), stride)
    x, bias, K = _last(x), np.zeros(K, x.dtype) if b is None else np.ascontiguousarray(b), K // groups
    for k in range(groups):
        of_x, of_y = (k * C, C), (k * K, K)
        own = as_channels_last(w[k * K : (k + 1) * K].reshape(1, K, 1, C * kh * kw))
        weights = own.transpose(0, 2, 3, 1).reshape(C, kh, kw, K)
        _filter(x, of_x, weights, y, of_y, phases, form, bias[k * K : (k + 1) * K], _slope(end, slope))
    return y.transpose(0, 3, 1, 2)


def conv_transpose2d(
    g: Array,
    w: Array,
    out_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    m: int,
    b: Array | None = None,
    end: int = window_sums.PLAIN,
    slope: float = 0.0,
) -> Array:
    """g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W), channels last; ended as by `correlate`."""
    (K, C), form = w.shape[:2], _form(m, w.shape[2:], stride)
    gx = np.empty((len(g), *out_hw, C * groups), g.dtype)
    bias = np.zeros(C * groups, g.dtype) if b is None else np.ascontiguousarray(b)
    phases = spread(out_hw, len(form[1]), stride, padding, dilation)
    g, weights, K = _last(g), _last(w), K // groups
    for k in range(groups):
        of_g, of_x, own = (k * K, K), (k * C, C), weights[k * K : (k + 1) * K]
        _filter(g, of_g, own, gx, of_x, phases, form, bias[k * C : (k + 1) * C], _slope(end, slope))
    return gx.transpose(0, 3, 1, 2)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, m: int
) -> Array:
    """x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    C, (K, *out_hw) = x.shape[1] // groups, g.shape[1:]
    x, g, K, form = _last(x), _last(g), K // groups, _form(m, kernel_hw, stride)
    phases = window((out_hw[0], out_hw[1]), stride, padding, dilation)
    sums = [
        functools.reduce(
            np.add, [_sums(x, (k * C, C), g, (k * K, K), phases, i, form, kernel_hw) for i in range(len(phases.size))]
        )
        for k in range(groups)
    ]
    turned = [as_channels_first(gw.reshape(1, 1, -1, K).transpose(0, 3, 1, 2))[0] for gw in sums]
    return (turned[0] if groups == 1 else np.concatenate(turned)).reshape(K * groups, C, *kernel_hw)


def _sums(x: Array, of_x: Pair, g: Array, of_g: Pair, phases: Phases, phase: int, form: Form, kernel_hw: Pair) -> Array:
    """The gradient (C, kh, kw, K) for some channels of x (N, H, W, ...) and g (N, oh, ow, ...), from one phase."""
    starts, start, size = phases.starts[phase], phases.start[phase], phases.size[phase]
    N, C, K, (m, r) = len(x), of_x[1], of_g[1], map(len, form)
    positions, lanes = (m + r - 1) ** 2, _lanes(x.dtype)
    spots = _spots(len(starts), C, positions, lanes)
    panel = len(spots) * positions * REGISTERS * lanes
    parts = _parts(K, panel, x.dtype)
    terms = len(starts) * C + parts[0][1] * REGISTERS * lanes
    tiles = _tiles(N, size, m)
    group = _tiles_in_group(N, size, form, FEWEST_TERMS, TILES, terms * x.itemsize)
    own = parts[0][1] * panel * x.itemsize
    pieces = max(1, min(MOST_PIECES, max(OWN_BYTES // own, min(2, BYTES_OF_TWO // own)), tiles // FEWEST_OWN))
    pieces = 1 << (pieces.bit_length() - 1)  # a power of two: as much for each thread
    groups = -(-tiles // (pieces * group))  # of a piece
    group = -(-tiles // (pieces * groups * TILES)) * TILES
    if pieces == 1:  # so each thread has panels of its own
        parts = _divided(parts, threads())
    nothing, outside = np.zeros(max(C, K), x.dtype), np.empty(K, x.dtype)
    gw = np.empty((C, *kernel_hw, K), x.dtype)
    sum_tiles(
        x, of_x, starts, phases.step, nothing, g, of_g, _pair(start), phases.stride, _pair(size), np.array(parts), form,
        group, spots, groups * group, phases.taps_at[phase], outside, gw,
    )  # fmt: skip
    return gw


@functools.lru_cache(maxsize=256)
def _spots(phases: int, C: int, positions: int, lanes: int) -> Array:
    """Where the channels of all phases stand in the tiles of an image (``tiles.py``); the last one fills up ROWS."""
    registers = -(-C // lanes)
    c = np.arange(C)
    register = c // lanes
    lane = c - np.minimum(register * lanes, C - lanes)
    places = (np.arange(phases)[:, None] * registers + register) * positions * TILES * lanes + lane
    return filled_up(places.ravel(), ROWS)


def _filter(
    x: Array, of_x: Pair, w: Array, y: Array, of_y: Pair, phases: Phases, form: Form, bias: Array, slope: float
) -> None:
    """C channels of x (N, H, W, ...), w (C, kh, kw, K) -> results in K of y (N, oh, ow, ...), some panels at a time."""
    C, K, lanes = of_x[1], of_y[1], _lanes(x.dtype)
    positions, terms = (len(form[0]) + len(form[1]) - 1) ** 2, phases.starts.shape[1] * -(-C // lanes) * lanes
    nothing = np.zeros(max(C, K), x.dtype)
    parts = _parts(K, positions * terms * REGISTERS * lanes, x.dtype)
    numbers = terms + parts[0][1] * REGISTERS * lanes
    groups = []
    for size in phases.size:
        group = _tiles_in_group(len(x), size, form, FEWEST_TILES, ROWS, numbers * x.itemsize)
        groups.append(_even(_tiles(len(x), size, len(form[0])), group, ROWS))
    apart = len(groups) % threads() == 0  # as much for each thread; so no two need the same transformed kernels
    filter_phases(
        x, of_x, phases.starts, phases.step, w, phases.taps_at, nothing, y, of_y, phases.start, phases.stride,
        phases.size, np.array(parts), np.array(groups), bias, float(slope), form, apart,
    )  # fmt: skip


def _parts(K: int, panel: int, dtype: Any) -> list[Pair]:
    """Panels of the K channels to work through at a time, (first, how many), the most first; numbers of a panel."""
    panels = -(-K // (REGISTERS * _lanes(dtype)))
    some = max(1, min(panels, KERNEL_BYTES // (panel * np.dtype(dtype).itemsize)))
    return [(first, min(some, panels - first)) for first in range(0, panels, some)]


def _divided(parts: list[Pair], threads: int) -> list[Pair]:
    """The same panels in parts for so many threads to share, if there are enough of them."""
    panels = sum(count for _, count in parts)
    most = min(panels, -(-len(parts) // threads) * threads)
    starts = [i * panels // most for i in range(most + 1)]
    return [(first, end - first) for first, end in zip(starts, starts[1:])]


def _slope(end: int, slope: float) -> float:
    """What negative results are multiplied by."""
    return slope if end == window_sums.LEAKY_RELU else float(end != window_sums.RELU)


def _form(m: int, kernel_hw: tuple[int, ...], stride: Pair) -> Form:
    return (0,) * m, (0,) * -(-kernel_hw[0] // stride[0])


def _tiles_in_group(N: int, size: Array, form: Form, fewest: int, multiple: int, position_bytes: int) -> int:
    """How many tiles are worked on at a time, a multiple of a block; position_bytes: what a position of one takes."""
    m, r = map(len, form)
    some = min(_tiles(N, size, m), max(fewest, GROUP_BYTES // ((m + r - 1) ** 2 * position_bytes)))
    return max(1, -(-some // multiple)) * multiple


def _even(tiles: int, group: int, multiple: int) -> int:
    """About as many tiles, but so that several groups are an even number: as much for each of two threads."""
    if group >= tiles:
        return group
    return -(-tiles // (2 * max(1, round(tiles / group / 2)) * multiple)) * multiple


def _tiles(N: int, size: Array, m: int) -> int:
    return int(N * -(-size[0] // m) * -(-size[1] // m))


def _pair(numbers: Array) -> Pair:
    return int(numbers[0]), int(numbers[1])


def _last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), contiguous."""
    return as_channels_last(x).transpose(0, 2, 3, 1)


def _lanes(dtype: Any) -> int:
    """The numbers of a register."""
    return REGISTER_BYTES // int(np.dtype(dtype).itemsize)
