"""The norm of a vector of 1e-7: a cone seen from next to its tip."""

from minigen import ops

ORDER = 2


def case(rng):
    return lambda x: ops.norm(x, 1), [1e-7 * rng.standard_normal(rng.integers(2, 4, 2))]
