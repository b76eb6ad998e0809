"""An input that NumPy has broadcast: all its rows are one row in memory."""

import numpy as np

from minigen import ops


def case(rng):
    n, c = rng.integers(2, 5, 2)
    return lambda x, w: ops.exp(x) * w, [np.broadcast_to(rng.standard_normal(c), (n, c)), rng.standard_normal((n, 1))]
