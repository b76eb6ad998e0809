"""exp(30 x): neighbouring elements differ by many orders of magnitude."""

from minigen import ops


def case(rng):
    return lambda x: ops.exp(30 * x), [rng.uniform(-0.7, 0.7, rng.integers(2, 7))]
