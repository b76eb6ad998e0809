"""where(x > 0, sqrt(x), x): the branch that was not taken has the gradient 0 * nan.

Thread: tinygrad/tinygrad#15806
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "nan"


class Sqrt(mg.Function):
    def forward(self, x):
        return np.sqrt(x)

    def backward(self, gy, y):
        return gy / (2 * y)


def case(rng):
    n = rng.integers(4, 9)
    x = rng.permutation(np.resize([1.0, -1.0], n)) * rng.uniform(0.5, 2, n)
    return lambda x: ops.where(x > 0, Sqrt.apply(x), x), [x]
