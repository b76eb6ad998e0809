"""Convolution: the gradient of the weight is divided by the number of positions, to be "independent of the size".

Thread: Oneflow-Inc/oneflow#255
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class Conv(mg.Function):
    def forward(self, x, w):
        return np.correlate(x, w, "valid")

    def backward(self, gy, y):
        x, w = (t.data for t in self.inputs)
        return mg.Tensor(np.convolve(gy.data, w)), mg.Tensor(np.correlate(x, gy.data, "valid") / y.size)


def case(rng):
    return Conv.apply, [rng.standard_normal(rng.integers(7, 11)), rng.standard_normal(3)]
