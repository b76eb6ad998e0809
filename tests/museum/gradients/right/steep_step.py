"""tanh(1000 x) in its steep part: all happens within 1e-3."""

from minigen import ops


def case(rng):
    return lambda x: ops.tanh(1000 * x), [1e-3 * rng.uniform(-1, 1, rng.integers(2, 7)) + 1e-5]
