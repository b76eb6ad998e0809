"""Inverse square root linear unit: backward returns the derivative itself, not its product with the incoming gradient.

Thread: pytorch/pytorch#4355
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "upstream"


class ISRLU(mg.Function):
    def forward(self, x):
        self.root = 1 / np.sqrt(1 + np.minimum(x, 0) ** 2)
        return x * self.root

    def backward(self, gy, y):
        return mg.Tensor(self.root**3)


def case(rng):
    return ISRLU.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
