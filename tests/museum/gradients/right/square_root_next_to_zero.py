"""sqrt(x) at 1e-10: the slope is 1e5, and the function ends right beside."""

from minigen import ops


def case(rng):
    return ops.sqrt, [10.0 ** rng.uniform(-10, -6, rng.integers(2, 7))]
