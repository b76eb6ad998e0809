"""The mean of 3,000 products: each element has a derivative of 1e-4 of the result, too many to be tried one by one."""

from minigen import ops


def case(rng):
    n = rng.integers(2000, 3000)
    return lambda x, w: ops.tanh((x * w).mean()), [rng.standard_normal(n), rng.standard_normal(n)]
