"""Sigmoid: backward applies the sigmoid to the incoming gradient.

Thread: yizt/numpy_neural_network#3
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "not-linear"


class Sigmoid(mg.Function):
    def forward(self, x):
        return 1 / (1 + np.exp(-x))

    def backward(self, gy, y):
        return ops.sigmoid(1 - ops.sigmoid(gy))


def case(rng):
    return Sigmoid.apply, [rng.standard_normal(rng.integers(2, 9))]
