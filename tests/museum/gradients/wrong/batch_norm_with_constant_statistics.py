"""Batch norm in training mode: the gradient forgets that mean and variance are functions of the input.

Thread: facebookresearch/CrypTen#143
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "missing-term"


class BatchNorm(mg.Function):
    def forward(self, x, gamma, beta):
        self.deviation = np.sqrt(x.var(0) + 1e-5)
        self.normalized = (x - x.mean(0)) / self.deviation
        return gamma * self.normalized + beta

    def backward(self, gy, y):
        gx = gy * self.inputs[1] / mg.Tensor(self.deviation)
        return gx, (gy * mg.Tensor(self.normalized)).sum(0), gy.sum(0)


def case(rng):
    n, c = rng.integers(3, 7), rng.integers(1, 4)
    return BatchNorm.apply, [rng.standard_normal((n, c)), rng.uniform(0.5, 2, c), rng.standard_normal(c)]
