"""Outputs of 1e12, rounded to 1e-4: an absolute tolerance would never be met."""

from minigen import ops


def case(rng):
    return lambda x: 1e12 * ops.exp(x), [rng.standard_normal(rng.integers(2, 5, 2))]
