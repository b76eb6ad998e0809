"""Which way a convolution of many channels is computed: a pure function of its shapes.

What each way costs is counted in multiplications of direct sums, and the cheapest one is taken. Minimal filters and
spectra take fewer multiplications, columns copy no weights; but every number that is copied or transformed costs as
much as many multiplications. The costs were fitted to the times of 300 layers at random (16 to 512 channels, 1x1 to 7x7
kernels, images of 1 to 32 a side, 1 to 128 samples, all three operations) with registers of 64 bytes: the way that is
taken is 2 per cent slower than the fastest in the geometric mean, and 15 per cent or more in one case of twenty. With
narrower registers a multiplication takes more time, a number that is moved, which waits for memory, hardly more.

Imports: ``circle.py``, ``minimal_filters.py``, ``winograd.py``. Read next: ``tune.py``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from math import prod
from operator import mul
from typing import NamedTuple

from minigen_kernels.cpu.circle import Geometry, spectral_steps
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.minimal_filters import POINTS
from minigen_kernels.cpu.winograd import Phase, spread, window


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
    tile_size.cache_clear()
    columns_pay.cache_clear()


#: Tiles of m x m results that are tried.
SIZES = (2, 3, 4)
#: Another way is left for one that is expected to take at most this part of its time.
WORTH = 0.95


@lru_cache(maxsize=1024)
def tile_size(N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, transposed: bool | None) -> int:
    """m, if F(m x m, r x r) is expected to be faster than windows and spectra, or 0.

    N samples with C channels of the image and K of the result in each group; transposed: None for the gradient in w.
    """
    costs = _filter_costs(N, C, K, groups, geometry, itemsize, transposed)
    others = windows_cost(N, C, K, geometry, transposed), spectral_cost(N, C, K, geometry, itemsize)
    best = min(costs, key=lambda m: costs[m], default=0)
    return best if best and costs[best] <= WORTH * min(others) else 0


@lru_cache(maxsize=1024)
def columns_pay(
    N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, transposed: bool | None
) -> bool:
    """Whether columns are expected to be the fastest way."""
    if groups != 1 or min(C, K) < REGISTER_BYTES // itemsize or 0 in (N, *geometry.out_hw, *geometry.hw):
        return False
    others = [
        windows_cost(N, C, K, geometry, transposed),
        spectral_cost(N, C, K, geometry, itemsize),
        *_filter_costs(N, C, K, groups, geometry, itemsize, transposed).values(),
    ]
    return columns_cost(N, C, K, geometry) <= WORTH * min(others)


@lru_cache(maxsize=1024)
def spectral_is_faster(N: int, C: int, K: int, geometry: Geometry, itemsize: int, transposed: bool | None) -> bool:
    """Whether spectra are expected to be faster than windows."""
    return spectral_cost(N, C, K, geometry, itemsize) < windows_cost(N, C, K, geometry, transposed)


def direct_cost(N: int, C: int, K: int, geometry: Geometry, transposed: bool) -> int:
    """The multiplications of direct sums."""
    axes = geometry.spread() if transposed else geometry.window()
    return N * C * K * prod(sum(line.size * len(met) for line, met in axis.results) for axis in axes)


def windows_cost(N: int, C: int, K: int, geometry: Geometry, transposed: bool | None) -> float:
    """Direct sums, and copies of weights and images; sums of a gradient in w are stored and read again."""
    of_weight = 90 if transposed is None else 40
    moved = of_weight * C * K * prod(geometry.kernel_hw) + 8 * _given(N, C, K, geometry)
    return direct_cost(N, C, K, geometry, bool(transposed)) + MOVED * moved


def columns_cost(N: int, C: int, K: int, geometry: Geometry) -> float:
    """A product with the zeros around an image, and copies of images; weights are read only."""
    weights = C * K * prod(geometry.kernel_hw)
    columns = N * prod(geometry.out_hw) * weights // K
    return 0.95 * columns * K + MOVED * (50 * columns + 28 * weights + 70 * _given(N, C, K, geometry))


def spectral_cost(N: int, C: int, K: int, geometry: Geometry, itemsize: int) -> float:
    """Products of spectra and the transforms; infinite if the spectra are too large."""
    steps = spectral_steps(N, C, K, geometry, itemsize)
    if steps is None:
        return math.inf
    given = _given(N, C, K, geometry) + C * K * prod(geometry.kernel_hw)
    return 1.2 * steps.products + 0.85 * steps.transforms + MOVED * (30 * (steps.numbers + given) + CALLS)


def _given(N: int, C: int, K: int, geometry: Geometry) -> int:
    """The numbers of an image and a result."""
    return N * (C * prod(geometry.hw) + K * prod(geometry.out_hw))


def _filter_costs(
    N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, transposed: bool | None
) -> dict[int, float]:
    """The cost of minimal filters by m, of those that can be computed."""
    kernel_hw, stride = geometry.kernel_hw, geometry.stride
    rs = {-(-k // s) for k, s in zip(kernel_hw, stride)}
    lanes = REGISTER_BYTES // itemsize
    fits = min(C, K) >= lanes and groups == 1 and geometry.dilation == (1, 1) and len(rs) == 1
    if not fits or any(k < s for k, s in zip(kernel_hw, stride)) or 0 in (N, *geometry.out_hw, *geometry.hw):
        return {}
    (r,) = rs
    return {m: filter_cost(N, C, K, geometry, m, transposed) for m in SIZES if r > 1 and m + r - 1 in POINTS}


def filter_cost(N: int, C: int, K: int, geometry: Geometry, m: int, transposed: bool | None) -> float:
    """The cost of minimal filters with tiles of m x m results; `conv2d` turns the weights first."""
    turned = 0 if transposed in (None, True) else 30 * C * K * prod(geometry.kernel_hw)
    return MOVED * turned + sum(map(mul, filter_steps(N, C, K, geometry, m, transposed), costs_in_use()))


def filter_steps(N: int, C: int, K: int, geometry: Geometry, m: int, transposed: bool | None) -> Costs:
    """How many there are of what `Costs` has the cost of."""
    r = -(-geometry.kernel_hw[0] // geometry.stride[0])
    phases: tuple[Phase, ...] = (window(geometry.out_hw, geometry.stride, geometry.padding),)
    if transposed:
        phases = spread(geometry.hw, r, geometry.stride, geometry.padding)
        C, K = K, C
    products = numbers = kernels = 0
    for phase in phases:
        tiles = N * prod(-(-size // m) for size in phase.size)
        terms = C * len(phase.starts)
        products += tiles * terms * K
        numbers += tiles * (terms + K)
        kernels += terms * K
    positions = (m + r - 1) ** 2
    return Costs(positions * products, positions * numbers, positions * kernels)
