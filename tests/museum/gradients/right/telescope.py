"""A sum of differences, in which everything but the ends cancels."""

from minigen import ops


def case(rng):
    return lambda x: ops.exp((x[1:] - x[:-1]).sum()), [rng.standard_normal(rng.integers(4, 9))]
