"""ELU with a negative alpha: backward takes a positive result for a positive input.

Thread: pytorch/pytorch#47671
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "mask"
ALPHA = -2.0


class ELU(mg.Function):
    def forward(self, x):
        return np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))

    def backward(self, gy, y):
        return gy * ops.where(y > 0, y * 0 + 1, y + ALPHA)


def case(rng):
    n = rng.integers(6, 9)
    return ELU.apply, [rng.permutation(np.resize([1.0, -1.0], n)) * rng.uniform(0.3, 2, n)]
