"""Stack of matrices: the gradient of each comes back transposed.

Thread: Oneflow-Inc/oneflow#8194
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "transposed"


class Stack(mg.Function):
    def forward(self, a, b):
        return np.stack([a, b])

    def backward(self, gy, y):
        return gy[0].T, gy[1].T


def case(rng):
    n = rng.integers(2, 5)
    return Stack.apply, [rng.standard_normal((n, n)), rng.standard_normal((n, n))]
