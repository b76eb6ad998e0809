"""a + b as a C extension: backward fills the gradients with ones.

Thread: pytorch/tutorials#216
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "upstream"


class MyAdd(mg.Function):
    def forward(self, a, b):
        return a + b

    def backward(self, gy, y):
        return mg.Tensor(np.ones(y.shape)), mg.Tensor(np.ones(y.shape))


def case(rng):
    shape = rng.integers(2, 4, 2)
    return MyAdd.apply, [rng.standard_normal(shape), rng.standard_normal(shape)]
