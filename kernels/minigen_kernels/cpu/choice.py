"""Which way a convolution is computed: a pure function of its shapes.

With many channels it is the cheapest one. What each costs is counted in multiplications of direct sums. Minimal filters
and spectra take fewer multiplications, columns copy no weights; but every number that is copied or transformed costs as
much as many multiplications. The costs were fitted to the times of 300 layers at random (16 to 512 channels, 1x1 to 7x7
kernels, images of 1 to 32 a side, 1 to 128 samples, all three operations) with registers of 64 bytes: the way that is
taken is 2 per cent slower than the fastest in the geometric mean, and 15 per cent or more in one case of twenty. With
narrower registers a multiplication takes more time, a number that is moved, which waits for memory, hardly more.

Imports: ``circle.py``, ``dots.py``, ``minimal_filters.py``, ``tile.py``, ``winograd.py``. Read next: ``tune.py``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from math import prod
from operator import mul
from typing import NamedTuple

from minigen_kernels.cpu import dots
from minigen_kernels.cpu.circle import Geometry, spectral_steps
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.minimal_filters import POINTS
from minigen_kernels.cpu.tile import REGISTERS
from minigen_kernels.cpu.winograd import spread, window


class Costs(NamedTuple):
    """What a step of minimal filters costs, in multiplications of direct sums.

    product: a multiplication of transformed numbers; number: one of a transformed image, gradient or result; kernel:
    one of a transformed kernel or of its gradient.
    """

    product: float
    number: float
    kernel: float


#: By the bytes of a register.
COSTS = {32: Costs(1.0, 17.0, 24.0), 64: Costs(1.0, 20.0, 54.0)}
#: What a number costs that is moved, relative to registers of 64 bytes.
MOVED = REGISTER_BYTES / 64
#: What the calls of the spectral way cost, however small the layer, at the same width.
CALLS = 3.4e7
_in_use: Costs | None = None  # see `use`


def costs_in_use() -> Costs:
    """Those of this register width, or what `use` was told."""
    return _in_use or COSTS[REGISTER_BYTES]


def use(costs: Costs | None) -> None:
    """Choose by these costs from now on, such as those that ``tune.py`` measured; None: the usual ones."""
    global _in_use
    _in_use = costs
    algorithm.cache_clear()


#: Groups with fewer channels are computed in frames with the channels first.
FEW_CHANNELS = 8
#: Tiles of m x m results that are tried.
SIZES = (2, 3, 4)
#: Phases that a dilation may make, each with transformed kernels of its own.
MOST_PHASES = 64
#: Another way is left for one that is expected to take at most this part of its time.
WORTH = 0.95


@lru_cache(maxsize=1024)
def algorithm(
    N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, last: bool, transposed: bool | None
) -> str | int:
    """The way of one convolution by its name in ``conv.py``; that of minimal filters is m, results of a tile in a row.

    For N samples with C channels of the image and K of the result in each group; `last`: whether the given images lie
    channels last; transposed: None for the gradient in w. A pure function of the shapes and the size of a register.
    """
    if 0 in (N, C, K, *geometry.hw, *geometry.out_hw):
        return "frames"
    if transposed is not None and one_cell(geometry, groups) and not last:
        return "product"
    costs = costs_of_ways(N, C, K, groups, geometry, itemsize, transposed)
    best = min(costs, key=lambda way: costs[way])
    if costs[best] <= WORTH * costs["windows"]:
        return best
    lanes = REGISTER_BYTES // itemsize
    if C == K == 1 and groups >= lanes:
        return "depthwise"
    sums = C if transposed else K  # channels of what is computed: they fill the lanes of registers
    strides = geometry.stride[0] * geometry.stride[1]
    if transposed is None:
        few = groups > 1 and min(C, K) < FEW_CHANNELS
    else:
        few = 2 * sums <= lanes and (strides == 1 or sums == 1) or groups > 1 and min(C, K) < FEW_CHANNELS
        given = K if transposed else C
        if last and groups == 1 and dots.fitting(given, sums, geometry, itemsize, transposed, in_frames=few):
            return "dots"
    return "frames" if few else "windows"


@lru_cache(maxsize=1024)
def groups_at_once(N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, last: bool) -> int:
    """How many groups of few channels are computed as one for the gradient in w, if minimal filters do that.

    As many as fill a panel. What one group is to another is computed, too, and left: that is cheaper than to leave
    registers empty.
    """
    panel = REGISTERS * REGISTER_BYTES // itemsize
    if max(C, K) == 1:
        return 1
    for joined in range(min(groups, panel // max(C, K)), 1, -1):
        if groups % joined == 0:
            way = algorithm(N, C * joined, K * joined, groups // joined, geometry, itemsize, last, None)
            return joined if isinstance(way, int) else 1
    return 1


def costs_of_ways(
    N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, transposed: bool | None
) -> dict[str | int, float]:
    """What each of the ways for many channels costs in multiplications, where it can be taken."""
    kernel_hw, stride = geometry.kernel_hw, geometry.stride
    costs: dict[str | int, float] = {
        "windows": windows_cost(N, C, K, geometry, transposed),
        "spectra": spectral_cost(N, C, K, geometry, itemsize),
    }
    lanes = REGISTER_BYTES // itemsize
    if min(C, K) >= lanes:
        if groups == 1:
            costs["columns"] = columns_cost(N, C, K, geometry, itemsize)
        rs = {-(-k // s) for k, s in zip(kernel_hw, stride)}
        in_phases = geometry.dilation == (1, 1) or (stride == (1, 1) and prod(geometry.dilation) <= MOST_PHASES)
        if len(rs) == 1 and in_phases and all(k >= s for k, s in zip(kernel_hw, stride)):
            (r,) = rs
            panel = REGISTERS * lanes
            summed = K if transposed is not None else K * -(-K // panel) * REGISTERS / -(-K // lanes)  # whole panels
            for m in SIZES:
                if r > 1 and m + r - 1 in POINTS:
                    costs[m] = filter_cost(N, C, summed, geometry, m, transposed)
    return costs


def direct_cost(N: int, C: int, K: int, geometry: Geometry, transposed: bool) -> int:
    """The multiplications of direct sums."""
    axes = geometry.spread() if transposed else geometry.window()
    return N * C * K * prod(sum(line.size * len(met) for line, met in axis.results) for axis in axes)


def windows_cost(N: int, C: int, K: int, geometry: Geometry, transposed: bool | None) -> float:
    """Direct sums, and copies of weights and images; sums of a gradient in w are stored and read again."""
    of_weight = 95 if transposed is None else 25 if transposed else 40
    moved = of_weight * C * K * prod(geometry.kernel_hw) + 5 * _given(N, C, K, geometry)
    return direct_cost(N, C, K, geometry, bool(transposed)) + MOVED * moved


def columns_cost(N: int, C: int, K: int, geometry: Geometry, itemsize: int) -> float:
    """A product with the zeros around an image, and copies of images, run by run; weights are read only."""
    weights, (oh, ow), lanes = C * K * prod(geometry.kernel_hw), geometry.out_hw, REGISTER_BYTES // itemsize
    registers = oh * (-(-ow * N // lanes) if N == 1 or geometry.stride[1] == 1 else ow * -(-N // lanes))
    moved = 600 * weights // K * registers + 24 * weights + 60 * _given(N, C, K, geometry)
    return N * oh * ow * weights + MOVED * moved


def spectral_cost(N: int, C: int, K: int, geometry: Geometry, itemsize: int) -> float:
    """Products of spectra and the transforms; infinite if the spectra are too large."""
    steps = spectral_steps(N, C, K, geometry, itemsize)
    if steps is None:
        return math.inf
    given = _given(N, C, K, geometry) + C * K * prod(geometry.kernel_hw)
    return 1.2 * steps.products + 0.8 * steps.transforms + MOVED * (30 * (steps.numbers + given) + CALLS)


def _given(N: int, C: int, K: int, geometry: Geometry) -> int:
    """The numbers of an image and a result."""
    return N * (C * prod(geometry.hw) + K * prod(geometry.out_hw))


def filter_cost(N: int, C: int, K: float, geometry: Geometry, m: int, transposed: bool | None) -> float:
    """The cost of minimal filters with tiles of m x m results; `conv2d` turns the weights first."""
    turned = 0 if transposed in (None, True) else 30 * C * K * prod(geometry.kernel_hw)
    return MOVED * turned + sum(map(mul, filter_steps(N, C, K, geometry, m, transposed), costs_in_use()))


def filter_steps(N: int, C: float, K: float, geometry: Geometry, m: int, transposed: bool | None) -> Costs:
    """How many there are of what `Costs` has the cost of."""
    r = -(-geometry.kernel_hw[0] // geometry.stride[0])
    phases = window(geometry.out_hw, *geometry[3:])
    if transposed:
        phases = spread(geometry.hw, r, *geometry[3:])
        C, K = K, C
    products = numbers = kernels = 0.0
    terms = C * phases.starts.shape[1]
    for size in phases.size.tolist():
        tiles = N * prod(-(-n // m) for n in size)
        products += tiles * terms * K
        numbers += tiles * (terms + K)
        kernels += terms * K
    positions = (m + r - 1) ** 2
    return Costs(positions * products, positions * numbers, positions * kernels)


def one_cell(geometry: Geometry, groups: int) -> bool:
    """Whether every result sees just one cell, in all channels, and none sees the zeros outside the image."""
    hw, out_hw, kernel_hw, stride, padding, _ = geometry
    inside = all((o - 1) * s < n for n, o, s in zip(hw, out_hw, stride))
    return inside and kernel_hw == (1, 1) and padding == (0, 0) and groups == 1
