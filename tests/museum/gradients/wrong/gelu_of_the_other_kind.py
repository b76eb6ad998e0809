"""GELU by its approximation with tanh, with the derivative of the exact one: wrong in the fourth digit.

Thread: kulinseth/pytorch#284
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", ""


class GELU(mg.Function):
    def forward(self, x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    def backward(self, gy, y):
        x = self.inputs[0]
        density = ops.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
        return gy * (0.5 * (1 + ops.erf(x / np.sqrt(2))) + x * density)


def case(rng):
    return GELU.apply, [rng.standard_normal(rng.integers(3, 9))]
