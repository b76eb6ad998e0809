"""A circular shift: backward shifts the gradient in the direction of forward, where it has to go back.

A common mistake.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "shifted"


class Roll(mg.Function):
    def forward(self, x):
        return np.roll(x, 1, axis=-1)

    def backward(self, gy, y):
        return mg.Tensor(np.roll(gy.data, 1, axis=-1))


def case(rng):
    return Roll.apply, [rng.standard_normal((rng.integers(1, 4), rng.integers(4, 7)))]
