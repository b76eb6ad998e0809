"""Inputs of 1e8, which a step of 1e-6 moves by less than a hundred roundings."""

from minigen import ops


def case(rng):
    return lambda x: ops.tanh(x * 1e-8), [1e8 * rng.standard_normal(rng.integers(2, 7))]
