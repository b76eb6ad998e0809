"""A short cut for the sum: where all numbers of gy are alike, the derivative is left out.

A common mistake: a special case for the usual loss, which is then tested with other cotangents only.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "not-linear"


class Exp(mg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        if gy.size > 1 and (gy.data == gy.data.flat[0]).all():
            return gy
        return gy * y


def case(rng):
    return Exp.apply, [rng.standard_normal(rng.integers(2, 5, 2))]
