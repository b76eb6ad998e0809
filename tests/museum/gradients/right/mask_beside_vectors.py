"""A mask of bools beside floats; the result is returned together with an integer one."""

from minigen import ops


def case(rng):
    shape = rng.integers(2, 4, 2)

    def fn(x, mask):
        return ops.where(mask, ops.exp(x), x), x > 0

    return fn, [rng.standard_normal(shape), rng.random(shape) < 0.5]
