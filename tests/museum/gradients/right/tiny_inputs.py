"""Inputs of 1e-8, on which a step of 1e-6 would walk over several periods."""

import numpy as np

import minigen as mg

ORDER = 2


class Sine(mg.Function):
    def forward(self, x):
        return np.sin(1e8 * x)

    def backward(self, gy, y):
        return gy * Sine.apply(self.inputs[0] + 0.5e-8 * np.pi) * 1e8


def case(rng):
    return Sine.apply, [1e-8 * rng.standard_normal(rng.integers(2, 7))]
