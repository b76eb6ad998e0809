"""Dropout: backward divides by the probability to stay, but does not apply the mask.

Thread: ddbourgin/numpy-ml#94
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ("mask", "region")


class Dropout(mg.Function):
    def forward(self, x):
        return x * self.mask / 0.6

    def backward(self, gy, y):
        return gy / 0.6


def case(rng):
    n = rng.integers(9, 14)
    mask = rng.permutation(np.resize([1.0, 1.0, 0.0], n))
    return lambda x: Dropout.apply(x, mask=mask), [rng.standard_normal(n)]
