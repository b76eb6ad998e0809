"""Squares of numbers from 1e-150 to 1e150: their own squares are finite, those of the results are not."""

ORDER = 2


def case(rng):
    scale = 10.0 ** rng.choice([-150, -100, -60, -30, 30, 60, 100, 150])
    return lambda x: x * x, [scale * rng.standard_normal(rng.integers(2, 5, 2))]
