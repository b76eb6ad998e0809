"""sin(500 x): larger steps see nothing but noise."""

import numpy as np

import minigen as mg


class Wave(mg.Function):
    def forward(self, x):
        return np.sin(500 * x)

    def backward(self, gy, y):
        return gy * mg.Tensor(500 * np.cos(500 * self.inputs[0].data))


def case(rng):
    return Wave.apply, [rng.standard_normal(rng.integers(2, 7))]
