"""Softmax that is sure to 1e-9: nearly all derivatives are next to nothing."""

from minigen import ops


def case(rng):
    x = rng.standard_normal((3, rng.integers(3, 6)))
    x[:, 1] += 20
    return lambda x: ops.softmax(x, 1), [x]
