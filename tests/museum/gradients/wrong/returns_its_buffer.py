"""The result lies in a buffer that the next call of the layer writes into, so two results are one.

A common mistake: memory that is kept "to save an allocation" and given away.
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "state"


class Exp(mg.Function):
    def forward(self, x):
        return np.exp(x, out=self.buffers.setdefault(x.shape, np.empty_like(x)))

    def backward(self, gy, y):
        return gy * ops.exp(self.inputs[0])


def case(rng):
    buffers = {}
    return lambda x: Exp.apply(x, buffers=buffers), [rng.standard_normal(rng.integers(2, 5, 2))]
