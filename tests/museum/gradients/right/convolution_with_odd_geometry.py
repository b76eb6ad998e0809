"""A convolution with stride, padding, dilation and groups, which does not reach all of its input."""

import minigen as mg
from minigen import nn


def case(rng):
    layer = nn.Conv2d(2, 2, 2, stride=2, padding=1, dilation=2, groups=2, rng=mg.Generator(int(rng.integers(1000))))
    return layer, [rng.standard_normal((1, 2, 4, rng.integers(3, 6)))]
