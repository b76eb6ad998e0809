"""The derivative is kept by the shape of the result: computed in the first call, used in all.

A common mistake: a cache whose key leaves out what the value depends on.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "state"


class Exp(mg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        return gy * mg.Tensor(self.kept.setdefault(y.shape, y.data.copy()))


def case(rng):
    kept = {}
    return lambda x: Exp.apply(x, kept=kept), [rng.standard_normal(rng.integers(2, 5, 2))]
