"""The variance of numbers of 1e4 that differ by 1: two sums of 1e8 of which 1 is left."""

from minigen import ops


def case(rng):
    return lambda x: ops.var(x, 1), [1e4 + rng.standard_normal((2, rng.integers(3, 7)))]
