"""The bias of a layer before batch norm: its gradient is legitimately zero, and comes out as 1e-17."""

import minigen as mg
from minigen import nn


def case(rng):
    generator = mg.Generator(int(rng.integers(1000)))
    net = nn.Sequential(nn.Dense(3, 2, rng=generator), nn.BatchNorm(2))
    return net, [rng.standard_normal((rng.integers(3, 6), 3))]
