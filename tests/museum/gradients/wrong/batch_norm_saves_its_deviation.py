"""Batch norm: the inverse standard deviation is saved as an array, so the second derivative takes it for a constant.

Source: oreilly-japan/deep-learning-from-scratch-3, dezero/functions.py: BatchNorm keeps inv_std.
"""

import numpy as np

import minigen as mg

VERDICT, KIND, ORDER = "WRONG", "detached", 2


class BatchNorm(mg.Function):
    def forward(self, x):
        self.inverse_deviation = 1 / np.sqrt(x.var(0) + 1e-5)
        return (x - x.mean(0)) * self.inverse_deviation

    def backward(self, gy, y):
        x, inverse = self.inputs[0], mg.Tensor(self.inverse_deviation)
        z = (x - x.mean(0)) * inverse
        return inverse * (gy - gy.mean(0) - z * (gy * z).mean(0))


def case(rng):
    return BatchNorm.apply, [rng.standard_normal((rng.integers(3, 5), rng.integers(1, 3)))]
