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
``window_sums.py``. Specification:
``../reference/conv.py``. Read next: ``minimal_filters.py``.
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
from minigen_kernels.cpu.tiles import SPARE, TILES, Form, filter_tiles, transform_kernels
from minigen_kernels.cpu.workers import threads

#: What the transformed tiles of a group may take, images and results together.
GROUP_BYTES = 1 << 18
#: The fewest tiles of a group: a transformed kernel comes from a slower cache, and should be used so often at least.
FEWEST_TILES = 24
#: The fewest tiles of a group for the gradient in w: it adds a product of so many terms to sums in a slower cache.
FEWEST_TERMS = 96


#: Pieces of the tiles that have sums of their own for the gradient in w, and what these may take: two cores that share
#: all sums wait for each other's numbers.
MOST_PIECES, OWN_BYTES = 8, 7 << 18
#: What the transformed kernels, or their gradients, may take at a time: they stay in the last-level cache.
KERNEL_BYTES = 1 << 23


class Phase(NamedTuple):
    """A convolution with stride 1, of one or several phases of an image to one phase of a result.

    starts (phases of the image, 2) and step: its cells; start, stride and size: the results; taps_at (phases of the
    image, 4): row and column of the first tap of a kernel, and the steps to the next.
    """

    starts: Array
    step: Pair
    start: Pair
    stride: Pair
    size: Pair
    taps_at: Array


@functools.lru_cache(maxsize=1024)
def window(out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Phase, ...]:
    """`conv2d`: the phases of the image are channels; with a dilation, there are phases of the result instead."""
    if stride != (1, 1):
        cells = list(np.ndindex(stride))
        starts = np.array([(a - padding[0], b - padding[1]) for a, b in cells])
        return (Phase(starts, stride, (0, 0), (1, 1), out_hw, np.array([(*cell, *stride) for cell in cells])),)
    return tuple(
        Phase(
            starts=np.array([[a - padding[0], b - padding[1]]]),
            step=dilation,
            start=(a, b),
            stride=dilation,
            size=_count((a, b), out_hw, dilation),
            taps_at=np.array([(0, 0, 1, 1)]),
        )
        for a, b in np.ndindex(dilation)
        if a < out_hw[0] and b < out_hw[1]
    )


@functools.lru_cache(maxsize=1024)
def spread(out_hw: Pair, r: int, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Phase, ...]:
    """`conv_transpose2d`: a phase of the result each, with the taps in reverse.

    Result q * s + a - p is the sum of g[q - t] * w[t * s + a] over t < r; with a dilation d, result q * d + a that of
    g[q * d + a + p - t * d] * w[t].
    """
    phases = []
    for offset in np.ndindex(stride if dilation == (1, 1) else dilation):
        if dilation == (1, 1):
            first = [-((a - p) // s) for a, p, s in zip(offset, padding, stride)]
            start = [q * s + a - p for q, s, a, p in zip(first, stride, offset, padding)]
            last_tap, taps, apart = [(r - 1) * s + a for s, a in zip(stride, offset)], stride, stride
        else:
            first, start = [a + p for a, p in zip(offset, padding)], list(offset)
            last_tap, taps, apart = [r - 1, r - 1], (1, 1), dilation
        phases.append(
            Phase(
                starts=np.array([[q - (r - 1) * d for q, d in zip(first, dilation)]]),
                step=dilation,
                start=(start[0], start[1]),
                stride=apart,
                size=_count((start[0], start[1]), out_hw, apart),
                taps_at=np.array([(*last_tap, -taps[0], -taps[1])]),
            )
        )
    return tuple(phases)


def _count(start: Pair, size: Pair, step: Pair) -> Pair:
    """How many results there are from `start` on, in steps."""
    rows, columns = [max(0, -((a - n) // s)) for a, n, s in zip(start, size, step)]
    return rows, columns


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
        for phase in phases:
            _filter(x, of_x, weights, y, of_y, phase, form, bias[k * K : (k + 1) * K], _slope(end, slope))
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
    g, weights, K = _last(g), _last(w), K // groups
    for k in range(groups):
        of_g, of_x = (k * K, K), (k * C, C)
        for phase in spread(out_hw, len(form[1]), stride, padding, dilation):
            own = weights[k * K : (k + 1) * K]
            _filter(g, of_g, own, gx, of_x, phase, form, bias[k * C : (k + 1) * C], _slope(end, slope))
    return gx.transpose(0, 3, 1, 2)


def conv2d_weight_grad(
    x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, m: int
) -> Array:
    """x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    C, (K, *out_hw) = x.shape[1] // groups, g.shape[1:]
    x, g, K, form = _last(x), _last(g), K // groups, _form(m, kernel_hw, stride)
    phases = window((out_hw[0], out_hw[1]), stride, padding, dilation)
    sums = [
        functools.reduce(np.add, [_sums(x, (k * C, C), g, (k * K, K), phase, form, kernel_hw) for phase in phases])
        for k in range(groups)
    ]
    turned = [as_channels_first(gw.reshape(1, 1, -1, K).transpose(0, 3, 1, 2))[0] for gw in sums]
    return (turned[0] if groups == 1 else np.concatenate(turned)).reshape(K * groups, C, *kernel_hw)


def _sums(x: Array, of_x: Pair, g: Array, of_g: Pair, phase: Phase, form: Form, kernel_hw: Pair) -> Array:
    """The gradient (C, kh, kw, K) for some channels of x (N, H, W, ...) and g (N, oh, ow, ...), from one phase."""
    N, C, K, (m, r) = len(x), of_x[1], of_g[1], map(len, form)
    positions, lanes = (m + r - 1) ** 2, _lanes(x.dtype)
    spots = _spots(len(phase.starts), C, positions, lanes)
    panel = len(spots) * positions * REGISTERS * lanes
    parts = _parts(K, panel, x.dtype)
    terms = len(phase.starts) * C + parts[0][1] * REGISTERS * lanes
    group = _tiles_in_group(N, phase.size, form, FEWEST_TERMS, TILES, terms * x.itemsize)
    size, groups = parts[0][1] * panel, -(-_tiles(N, phase.size, m) // group)
    some = -(-groups // max(1, min(MOST_PIECES, OWN_BYTES // (size * x.itemsize))))  # groups of a piece
    if some == groups:  # one piece: so each thread has panels of its own
        parts = _divided(parts, threads())
    nothing, outside = np.zeros(max(C, K), x.dtype), np.empty(K, x.dtype)
    gw = np.empty((C, *kernel_hw, K), x.dtype)
    sum_tiles(
        x, of_x, phase.starts, phase.step, nothing, g, of_g, phase.start, phase.stride, phase.size, np.array(parts),
        form, group, spots, some * group, phase.taps_at, outside, gw,
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
    x: Array, of_x: Pair, w: Array, y: Array, of_y: Pair, phase: Phase, form: Form, bias: Array, slope: float
) -> None:
    """C channels of x (N, H, W, ...), w (C, kh, kw, K) -> results in K of y (N, oh, ow, ...), some panels at a time."""
    C, K, lanes = of_x[1], of_y[1], _lanes(x.dtype)
    positions, terms = (len(form[0]) + len(form[1]) - 1) ** 2, len(phase.starts) * -(-C // lanes) * lanes
    nothing = np.zeros(max(C, K), x.dtype)
    panel = positions * terms * REGISTERS * lanes
    parts = _parts(K, panel, x.dtype)
    kernels = np.empty(parts[0][1] * panel + SPARE, x.dtype)
    numbers = terms + parts[0][1] * REGISTERS * lanes
    group = _tiles_in_group(len(x), phase.size, form, FEWEST_TILES, ROWS, numbers * x.itemsize)
    for first, panels in parts:
        transform_kernels(w, first, panels, phase.taps_at, nothing, form, kernels)
        filter_tiles(
            x, of_x, phase.starts, phase.step, nothing, kernels, y, of_y, phase.start, phase.stride, phase.size, first,
            panels, bias, float(slope), form, group,
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


def _tiles_in_group(N: int, count: Pair, form: Form, fewest: int, multiple: int, position_bytes: int) -> int:
    """How many tiles are worked on at a time, a multiple of a block; position_bytes: what a position of one takes."""
    m, r = map(len, form)
    tiles = _tiles(N, count, m)
    some = min(tiles, max(fewest, GROUP_BYTES // ((m + r - 1) ** 2 * position_bytes)))
    return max(1, -(-some // multiple)) * multiple


def _tiles(N: int, count: Pair, m: int) -> int:
    return N * -(-count[0] // m) * -(-count[1] // m)


def _last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), contiguous."""
    return as_channels_last(x).transpose(0, 2, 3, 1)


def _lanes(dtype: Any) -> int:
    """The numbers of a register."""
    return REGISTER_BYTES // int(np.dtype(dtype).itemsize)
