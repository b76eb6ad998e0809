"""Convolution: the gradient of the weight is computed with a turned kernel, and never turned back.

A common mistake; the rotation by 180 degrees is asked about in many projects, for example ddbourgin/numpy-ml#27.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "flipped"


class Conv(mg.Function):
    def forward(self, x, w):
        return np.correlate(x, w, "valid")

    def backward(self, gy, y):
        x, w = (t.data for t in self.inputs)
        return mg.Tensor(np.convolve(gy.data, w)), mg.Tensor(np.convolve(x[::-1], gy.data, "valid"))


def case(rng):
    return Conv.apply, [rng.standard_normal(rng.integers(6, 10)), rng.standard_normal(rng.integers(3, 6))]
