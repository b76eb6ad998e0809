"""A function that fills its input with a constant, and gives the gradient of the identity.

Thread: pytorch/pytorch#80839
"""

import minigen as mg

VERDICT, KIND = "WRONG", "in-place"


class Fill(mg.Function):
    def forward(self, x):
        x[...] = 0.5
        return x

    def backward(self, gy, y):
        return gy


def case(rng):
    return Fill.apply, [rng.standard_normal(rng.integers(2, 9))]
