"""Mean squared error: the loss has no factor 1/2, but its gradient is written as if it had.

Thread: davisking/dlib#1169
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class MeanSquare(mg.Function):
    def forward(self, prediction, target):
        return np.mean((prediction - target) ** 2)

    def backward(self, gy, y):
        prediction, target = self.inputs
        g = gy * (prediction - target) * (1 / prediction.size)
        return g, -g


def case(rng):
    shape = rng.integers(2, 4, 2)
    return MeanSquare.apply, [rng.standard_normal(shape), rng.standard_normal(shape)]
