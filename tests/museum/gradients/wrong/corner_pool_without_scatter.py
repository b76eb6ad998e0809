"""Running maximum (corner pooling): gradients stay where they came in, and are not carried to the element that won.

Thread: makalo/CornerNet#14
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ""


class RunningMax(mg.Function):
    def forward(self, x):
        return np.maximum.accumulate(x)

    def backward(self, gy, y):
        return gy * mg.Tensor((self.inputs[0].data == y.data).astype(float))


def case(rng):
    x = rng.permutation(rng.integers(4, 9)).astype(float)
    x[:2] = x[1] + 1.5, x[1]  # the second is below the first
    return RunningMax.apply, [x]
