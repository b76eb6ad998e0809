"""The gradient is made in the library's default dtype, float32, whatever the dtype of the Tensor is.

Thread: tinygrad/tinygrad#3613
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "dtype"


class Exp(mg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        return mg.Tensor((gy.data * y.data).astype(np.float32))


def case(rng):
    return Exp.apply, [rng.standard_normal(rng.integers(2, 9))]
