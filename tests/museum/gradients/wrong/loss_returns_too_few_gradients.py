"""A loss of prediction, target and threshold: backward returns gradients for the first two only.

Thread: BobMcDear/attorch#13
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "count"


class SmoothL1(mg.Function):
    def forward(self, prediction, target, beta):
        d = np.abs(prediction - target)
        return np.where(d < beta, 0.5 * d**2 / beta, d - 0.5 * beta).mean()

    def backward(self, gy, y):
        prediction, target, beta = (t.data for t in self.inputs)
        d = prediction - target
        g = mg.Tensor(np.clip(d / beta, -1, 1) / d.size)
        return gy * g, -gy * g


def case(rng):
    n = rng.integers(3, 9)
    return SmoothL1.apply, [3 * rng.standard_normal(n), 3 * rng.standard_normal(n), np.ones(1)]
