"""Maximum of values of which two are equal: each library shares the gradient out in its own way; none is a derivative.

Thread: tensorflow/tensorflow#4886
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "KINK", ""


class Max(mg.Function):
    def forward(self, x):
        return x.max(1, keepdims=True)

    def backward(self, gy, y):
        winners = (self.inputs[0].data == y.data).astype(float)
        return gy * mg.Tensor(winners / winners.sum(1, keepdims=True))


def case(rng):
    n, c = rng.integers(2, 4), rng.integers(3, 5)
    x = np.argsort(rng.random((n, c)), 1).astype(float)
    x[0, x[0] == c - 2] = c - 1
    return Max.apply, [x]
