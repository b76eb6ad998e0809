"""A new layer with gains of 1 and biases of 0, which are moved, and put back."""

import numpy as np

from minigen import nn, ops

ORDER = 2


class Layer(nn.Module):
    def __init__(self, features):
        self.gain = nn.Parameter(np.ones(features, np.float32))
        self.bias = nn.Parameter(np.zeros(features, np.float32))

    def forward(self, x):
        return ops.tanh(x) * self.gain + self.bias


def case(rng):
    n, features = rng.integers(2, 6, 2)
    return Layer(int(features)), [rng.standard_normal((n, features))]
