"""Gather: backward picks rows of the gradient by the same indices, where it should scatter them.

Thread: ooples/AiDotNet.Tensors#894
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ""


class Gather(mg.Function):
    def forward(self, x):
        return x[self.indices]

    def backward(self, gy, y):
        n = len(self.indices)
        rows = self.indices[np.arange(len(self.inputs[0])) % n]
        return mg.Tensor(gy.data[rows % n])


def case(rng):
    v, d = rng.integers(4, 6), 2
    indices = rng.integers(0, v, rng.integers(2, v))
    indices[:2] = v - 1  # one row comes twice, and one at least not at all
    return lambda x: Gather.apply(x, indices=indices), [rng.standard_normal((v, d))]
