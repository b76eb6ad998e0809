"""Clip, with values just inside and just outside of both bounds."""

import numpy as np

from minigen import ops


def case(rng):
    near = 10.0 ** rng.uniform(-5, -4, 4)
    return lambda x: ops.clip(x, -1, 1), [rng.permutation(np.array([1, 1, -1, -1]) + near * [1, -1, 1, -1])]
