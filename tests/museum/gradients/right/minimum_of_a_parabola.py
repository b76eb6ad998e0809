"""Some elements at the minimum of a parabola, where the slope is zero and the curvature is not."""

from minigen import ops

ORDER = 2


def case(rng):
    x = rng.standard_normal(rng.integers(3, 8))
    x[:2] = 0.0
    return lambda x: x * x * ops.exp(x), [x]
