"""Tanh: the derivative wants the input, and is given the output.

Thread: davidrmiller/neural2d#40
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", ""


class Tanh(mg.Function):
    def forward(self, x):
        return np.tanh(x)

    def backward(self, gy, y):
        return gy * (1 - ops.tanh(y) ** 2)


def case(rng):
    return Tanh.apply, [rng.standard_normal(rng.integers(3, 9))]
