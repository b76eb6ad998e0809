"""A fused swish: the kernel's gradient is right, the definition that higher orders use lacks a factor in the exponent.

A common mistake: two statements of one function drift apart.
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND, ORDER = "WRONG", "recorded", 2
FAILS_AT = 1  # the gradient with create_graph is checked against the numbers of order 1


class Swish(mg.FusedFunction):
    def forward(self, x):
        return x / (1 + np.exp(-1.7 * x))

    def backward_arrays(self, gy, y):
        s = 1 / (1 + np.exp(-1.7 * self.inputs[0].data))
        return gy * (s + 1.7 * y * (1 - s))

    def definition(self, x):
        return x * ops.sigmoid(x)


def case(rng):
    return Swish.apply, [rng.standard_normal(rng.integers(2, 6, 2))]
