"""The gradient of the input lacks the gain, which a new layer has at 1: only training brings it to light.

A common mistake: the check looks at a layer as it is made.
"""

import numpy as np

import minigen as mg
from minigen import nn, ops

VERDICT, KIND = "WRONG", "initial-values"


class Scaled(mg.Function):
    def forward(self, x, gain):
        return np.tanh(x) * gain

    def backward(self, gy, y):
        t = ops.tanh(self.inputs[0])
        return gy * (1 - t * t), ops.sum(gy * t, axis=0)


class Layer(nn.Module):
    def __init__(self, features):
        self.gain = nn.Parameter(np.ones(features, np.float32))

    def forward(self, x):
        return Scaled.apply(x, self.gain)


def case(rng):
    n, features = rng.integers(2, 6, 2)
    return Layer(int(features)), [rng.standard_normal((n, features))]
