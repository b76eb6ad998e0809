"""A network with running statistics and random masks, checked in training mode."""

import minigen as mg
from minigen import nn, ops


def case(rng):
    generator = mg.Generator(int(rng.integers(1000)))
    net = nn.Sequential(
        nn.Dense(3, 4, rng=generator), nn.BatchNorm(4), ops.tanh, nn.Dropout(0.5, rng=generator)
    )  # fmt: skip
    return net, [rng.standard_normal((rng.integers(3, 6), 3))]
