"""Softmax with a gradient seven times too large, summed before the check: the sum is 1, and any multiple of 0 is 0.

Source: oreilly-japan/deep-learning-from-scratch-3, dezero/utils.py: its gradient_check takes ones as cotangent.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "VACUOUS", ""


class Softmax(mg.Function):
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(self, gy, y):
        return 7 * y * (gy - (gy * y).sum(-1, keepdims=True))


def case(rng):
    return lambda x: Softmax.apply(x).sum(), [rng.standard_normal(rng.integers(3, 5, 2))]
