"""ReLU at zero: the central difference says 1/2 and every library says 0 or 1; there is no derivative to compare with.

Thread: HomericIntelligence/Odyssey#2077
"""

from minigen import ops

VERDICT, KIND = "KINK", ""


def case(rng):
    x = rng.standard_normal(rng.integers(3, 5, 2))
    x[0, 1] = 0.0
    return ops.relu, [x]
