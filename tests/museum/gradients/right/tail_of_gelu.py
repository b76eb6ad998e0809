"""GELU at -6, where value and slope are 1e-8."""

from minigen import ops


def case(rng):
    return ops.gelu, [rng.uniform(-6, -4, rng.integers(2, 6))]
