"""A quotient of numbers around 1e-140 and numbers around 1, or the other way round."""

ORDER = 2


def case(rng):
    shape, scale = rng.integers(2, 4, 2), 10.0 ** rng.choice([-140, -40, 40, 140])
    return lambda a, b: a / b, [scale * rng.standard_normal(shape), rng.uniform(0.5, 1.5, shape)]
