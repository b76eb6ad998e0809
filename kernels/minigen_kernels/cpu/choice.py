"""Whether a convolution is computed by minimal filters, and with tiles of what size: a pure function of its shapes.

What each way costs is counted in multiplications of direct sums. Minimal filters take fewer multiplications, but every
transformed number costs as much as many of them; the costs here were fitted to the times of 75 convolutions (13 layers
with 16 to 256 channels, 3x3 to 5x5 kernels, all three operations, tiles of 2x2 and 4x4), which they predict within 20
per cent. With wider registers multiplications take less time, transforms, which wait for memory, hardly less.

Imports: ``circle.py``, ``minimal_filters.py``, ``winograd.py``. Read next: ``tune.py``.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from operator import mul
from typing import NamedTuple

from minigen_kernels.cpu.circle import Geometry, spectral_cost
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.minimal_filters import POINTS
from minigen_kernels.cpu.winograd import Phase, spread, window


class Costs(NamedTuple):
    """What a step costs, in multiplications of direct sums.

    product: a multiplication of transformed numbers; number: one of a transformed image, gradient or result; kernel:
    one of a transformed kernel or of its gradient.
    """

    product: float
    number: float
    kernel: float


#: By the bytes of a register.
COSTS = {32: Costs(1.0, 17.0, 24.0), 64: Costs(1.0, 20.0, 36.0)}
_in_use: Costs | None = None  # see `use`


def costs_in_use() -> Costs:
    """Those of this register width, or what `use` was told."""
    return _in_use or COSTS[REGISTER_BYTES]


def use(costs: Costs | None) -> None:
    """Choose by these costs from now on, such as those that ``tune.py`` measured; None: the usual ones."""
    global _in_use
    _in_use = costs
    tile_size.cache_clear()


#: Tiles of m x m results that are tried.
SIZES = (2, 3, 4)
#: Another way is left for one that is expected to take at most this part of its time.
WORTH = 0.95


@lru_cache(maxsize=1024)
def tile_size(N: int, C: int, K: int, groups: int, geometry: Geometry, itemsize: int, transposed: bool | None) -> int:
    """m, if F(m x m, r x r) is expected to be the fastest way, or 0.

    N samples with C channels of the image and K of the result in each group; transposed: None for the gradient in w.
    """
    kernel_hw, stride = geometry.kernel_hw, geometry.stride
    rs = {-(-k // s) for k, s in zip(kernel_hw, stride)}
    lanes = REGISTER_BYTES // itemsize
    fits = min(C, K) >= lanes and groups == 1 and geometry.dilation == (1, 1) and len(rs) == 1
    if not fits or any(k < s for k, s in zip(kernel_hw, stride)) or 0 in (N, *geometry.out_hw, *geometry.hw):
        return 0
    (r,) = rs
    others = [direct_cost(N, C, K, geometry, bool(transposed)), spectral_cost(N, C, K, geometry, itemsize)]
    costs = {m: filter_cost(N, C, K, geometry, m, transposed) for m in SIZES if r > 1 and m + r - 1 in POINTS}
    best = min(costs, key=lambda m: costs[m], default=0)
    return best if best and costs[best] <= WORTH * min(others) else 0


def direct_cost(N: int, C: int, K: int, geometry: Geometry, transposed: bool) -> int:
    """The multiplications of direct sums."""
    axes = geometry.spread() if transposed else geometry.window()
    return N * C * K * prod(sum(line.size * len(met) for line, met in axis.results) for axis in axes)


def filter_cost(N: int, C: int, K: int, geometry: Geometry, m: int, transposed: bool | None) -> float:
    """The cost of minimal filters with tiles of m x m results."""
    return sum(map(mul, filter_steps(N, C, K, geometry, m, transposed), costs_in_use()))


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
