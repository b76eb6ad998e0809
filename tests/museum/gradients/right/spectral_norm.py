"""A layer divided by its largest singular value, which power iteration with a running vector estimates."""

import minigen as mg
from minigen import nn


def case(rng):
    generator = mg.Generator(int(rng.integers(1000)))
    layer = nn.SpectralNorm(nn.Dense(4, 3, rng=generator), rng=generator)
    return layer, [rng.standard_normal((2, 4))]
