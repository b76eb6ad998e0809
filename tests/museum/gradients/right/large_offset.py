"""A small signal on a large constant: 1e6 + sin(x) is rounded to 1e-10."""

from minigen import ops


def case(rng):
    return lambda x: ops.tanh(x) * x + 1e6, [rng.standard_normal(rng.integers(2, 7))]
