"""Dropout without a stored mask: backward finds it as y / x, and where x is zero takes the unit for one that stayed.

Thread: kaldi-asr/kaldi#3890
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ("mask", "region")


class Dropout(mg.Function):
    def forward(self, x):
        return x * self.mask / 0.6

    def backward(self, gy, y):
        x = self.inputs[0].data
        return gy * mg.Tensor(np.where(x == 0, 1.0, y.data / np.where(x == 0, 1.0, x)))


def case(rng):
    n = rng.integers(8, 14)
    x, mask = rng.standard_normal(n), np.resize([1.0, 1.0, 0.0], n)
    x[:3] = 0.0
    order = rng.permutation(n)
    x, mask = x[order], mask[order]
    return lambda x: Dropout.apply(x, mask=mask), [x]
