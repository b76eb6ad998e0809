"""Floats that are whole numbers, zero among them."""

import numpy as np

from minigen import ops


def case(rng):
    return lambda x: ops.sigmoid(x) * x, [rng.integers(-3, 4, rng.integers(2, 5, 2)).astype(np.float64)]
