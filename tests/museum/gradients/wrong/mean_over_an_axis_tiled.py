"""Mean over one axis: backward takes the incoming gradient for one number and tiles it by the whole shape of the input.

Thread: facebookresearch/shumai#74
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "shape"


class Mean(mg.Function):
    def forward(self, x):
        return x.mean(0, keepdims=True)

    def backward(self, gy, y):
        return mg.Tensor(np.tile(gy.data, self.inputs[0].shape) / len(self.inputs[0].data))


def case(rng):
    return Mean.apply, [rng.standard_normal(rng.integers(2, 4, 2))]
