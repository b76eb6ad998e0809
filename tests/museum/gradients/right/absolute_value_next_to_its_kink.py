"""|x| next to zero, weighted with a smooth function."""

from minigen import ops


def case(rng):
    x = rng.standard_normal(rng.integers(3, 8))
    x[0] = 10.0 ** rng.uniform(-6, -4)
    return lambda x: ops.abs(x) * ops.exp(x), [x]
