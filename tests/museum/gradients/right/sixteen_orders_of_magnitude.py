"""One tensor with elements from 1e-8 to 1e8: each wants a step of its own."""

from minigen import ops


def case(rng):
    n = rng.integers(3, 8)
    return ops.softplus, [10.0 ** rng.uniform(-8, 8, n) * rng.choice([-1.0, 1.0], n)]
