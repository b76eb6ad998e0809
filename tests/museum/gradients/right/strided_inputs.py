"""Inputs that are views: transposed, every second element, backwards."""

from minigen import ops


def case(rng):
    n, m = rng.integers(2, 4, 2)
    return ops.matmul, [rng.standard_normal((m, 2 * n))[:, ::2].T, rng.standard_normal((m, n))[::-1, ::-1]]
