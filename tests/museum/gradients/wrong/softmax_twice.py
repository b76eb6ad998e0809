"""Softmax: the gradient is off by a factor of two.

Thread: markroxor/fromscratchtoml#65
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class Softmax(mg.Function):
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(self, gy, y):
        return 2 * y * (gy - (gy * y).sum(-1, keepdims=True))


def case(rng):
    return Softmax.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
