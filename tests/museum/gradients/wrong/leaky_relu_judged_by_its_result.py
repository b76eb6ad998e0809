"""Leaky ReLU in place with a negative slope: backward sees only the result, whose sign is not that of the input.

Thread: BVLC/caffe#2413
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "mask"
SLOPE = -0.3


class LeakyReLU(mg.Function):
    def forward(self, x):
        return np.maximum(x, 0) + SLOPE * np.minimum(x, 0)

    def backward(self, gy, y):
        return ops.where(y > 0, gy, SLOPE * gy)


def case(rng):
    n = rng.integers(6, 9)
    return LeakyReLU.apply, [rng.permutation(np.resize([1.0, -1.0], n)) * rng.uniform(0.3, 2, n)]
