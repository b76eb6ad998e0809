"""log(x) at 1e-6: a step of 1e-6 hits the pole."""

from minigen import ops

ORDER = 2


def case(rng):
    return ops.log, [10.0 ** rng.uniform(-8, -4, rng.integers(2, 7))]
