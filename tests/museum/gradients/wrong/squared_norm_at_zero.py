"""norm(x) ** 2 is smooth everywhere, but its gradient goes through a square root, which at zero is 0 / 0.

Thread: jax-ml/jax#21723
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "nan"


class Norm(mg.Function):
    def forward(self, x):
        return np.sqrt((x * x).sum(1))

    def backward(self, gy, y):
        return self.inputs[0] * (gy / y).reshape(-1, 1)


def case(rng):
    x = rng.standard_normal(rng.integers(2, 4, 2))
    x[0] = 0.0
    return lambda x: Norm.apply(x) ** 2, [x]
