"""Log-softmax: the gradient of the result stands where the formula has Kronecker's delta, and is added, not multiplied.

Thread: mlpack/mlpack#2360
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "not-linear"


class LogSoftmax(mg.Function):
    def forward(self, x):
        x = x - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    def backward(self, gy, y):
        return gy + ops.exp(y)


def case(rng):
    return LogSoftmax.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
