"""Rounding whose gradient is that of the identity: no derivative of what it computes, though often meant.

A common mistake only where it is not meant; then say derivative_of.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "straight-through"


class Round(mg.Function):
    def forward(self, x):
        return np.round(x)

    def backward(self, gy, y):
        return gy


def case(rng):
    return Round.apply, [3 * rng.standard_normal(rng.integers(2, 5, 2))]
