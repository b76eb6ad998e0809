"""Outputs and gradients of 1e-8: an absolute tolerance of 1e-5 would let anything pass."""

from minigen import ops

ORDER = 2


def case(rng):
    return lambda x: 1e-8 * ops.tanh(x), [rng.standard_normal(rng.integers(2, 7))]
