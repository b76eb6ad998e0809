"""The costs of ``choice.py``, measured on this machine.

A few layers are computed directly and by minimal filters, forward and both gradients. Their times are sums of the
steps' costs; the costs are the least-squares solution, each time counting alike. It takes a few seconds.

Imports: NumPy, ``choice.py``, ``channels_last.py``, ``winograd.py``. Read next: ``winograd.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu import winograd
from minigen_kernels.cpu.channels_last import correlate
from minigen_kernels.cpu.choice import Costs, filter_steps, windows_cost
from minigen_kernels.cpu.circle import Geometry

#: N, C, K, size of the image, size of the kernel, stride: of each, tiles of 2 x 2 and of 4 x 4.
LAYERS = [
    (16, 64, 64, 16, 3, 1),
    (32, 32, 32, 16, 3, 1),
    (16, 128, 128, 8, 3, 1),
    (2, 128, 128, 8, 3, 1),
    (16, 64, 64, 16, 4, 2),
]
ROUNDS = 5


def measured_costs() -> Costs:
    """The shortest times of a few rounds, in multiplications of direct sums."""
    rng, steps, times, direct = np.random.default_rng(0), [], [], []
    for N, C, K, size, k, s in LAYERS:
        geometry = Geometry((size, size), (size // s, size // s), (k, k), (s, s), (1, 1), (1, 1))
        x, g = (_last(rng.normal(size=(N, a, n, n))) for a, n in ((C, size), (K, size // s)))
        w = rng.normal(size=(K, C, k, k)).astype(np.float32)
        seconds = _shortest(partial(correlate, x, w, False, geometry, 1))
        direct.append(seconds / windows_cost(N, C, K, geometry, False))
        for m in (2, 4):
            shared = geometry.stride, geometry.padding, geometry.dilation, 1, m
            for transposed, way in (
                (False, partial(winograd.conv2d, x, w, geometry.out_hw, *shared)),
                (True, partial(winograd.conv_transpose2d, g, w, geometry.hw, *shared)),
                (None, partial(winograd.conv2d_weight_grad, x, g, geometry.kernel_hw, *shared)),
            ):
                times.append(_shortest(way))
                steps.append(filter_steps(N, C, K, geometry, m, transposed))
    relative = np.array(steps) / np.array(times)[:, None]
    solution = np.linalg.lstsq(relative, np.ones(len(times)), rcond=None)[0] / np.median(direct)
    return Costs(*(float(f"{max(cost, 0.1):.3g}") for cost in solution))


def _last(x: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x.astype(np.float32), 1, -1)), -1, 1)


def _shortest(way: Callable[[], Array]) -> float:
    """Seconds; the first call, which compiles, does not count."""
    way()
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        way()
        found.append(time.perf_counter() - start)
    return min(found)
