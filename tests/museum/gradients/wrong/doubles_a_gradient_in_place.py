"""backward doubles gy in place, inside a network: what arrives there belongs to it alone only by chance.

A common mistake: `gy *= 2` is right until the same gradient also flows to somebody else.
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "in-place"


class Double(mg.Function):
    def forward(self, x):
        return 2 * x

    def backward(self, gy, y):
        gy.data *= 2
        return gy


def case(rng):
    return lambda x: ops.tanh(Double.apply(x)) + x, [rng.standard_normal(rng.integers(2, 5, 2))]
