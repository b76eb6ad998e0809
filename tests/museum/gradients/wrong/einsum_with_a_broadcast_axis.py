"""Inner product in which y has one element and is broadcast: the gradient of x has one element, too.

Thread: HIPS/autograd#376
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "shape"


class Inner(mg.Function):
    def forward(self, x, y):
        return np.sum(x * y)

    def backward(self, gy, _):
        x, y = self.inputs
        return gy * y, (gy * x).sum().reshape(1)


def case(rng):
    return Inner.apply, [rng.standard_normal(rng.integers(2, 6)), rng.standard_normal(1)]
