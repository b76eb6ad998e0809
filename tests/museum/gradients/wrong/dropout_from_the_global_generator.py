"""Dropout draws from NumPy's global generator, so that two calls at the same point differ.

Thread: harvard-edge/cs249r_book#1869
"""

import numpy as np

from minigen import ops

VERDICT, KIND = "WRONG", "not-deterministic"


def dropout(x):
    return ops.where(np.random.random(x.shape) < 0.5, x, x * 0)


def case(rng):
    return dropout, [rng.standard_normal((4, rng.integers(6, 9)))]
