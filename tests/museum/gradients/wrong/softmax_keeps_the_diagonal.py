"""Softmax: only the diagonal of the Jacobian is kept, y (1 - y), as if each output had an input of its own.

Thread: deeplearning4j/libnd4j#440
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "missing-term"


class Softmax(mg.Function):
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(self, gy, y):
        return gy * y * (1 - y)


def case(rng):
    return Softmax.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
