"""A network keeps its activations on itself: backward uses those of the last forward, whatever it was called for.

Thread: torch/nn#1015
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "state"


class Tanh(mg.Function):
    def forward(self, x):
        self.network["hidden"] = np.tanh(x)
        return self.network["hidden"].copy()

    def backward(self, gy, y):
        return gy * mg.Tensor(1 - self.network["hidden"] ** 2)


def case(rng):
    network = {}
    return lambda x: Tanh.apply(x, network=network), [rng.standard_normal(rng.integers(2, 9))]
