"""Clamp: the mask asks for values below the lower and above the upper bound, which none is.

Thread: tenstorrent/tt-metal#48201
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "zero"


class Clamp(mg.Function):
    def forward(self, x):
        return np.clip(x, self.low, self.high)

    def backward(self, gy, y):
        x = self.inputs[0].data
        return gy * mg.Tensor(((x <= self.low) & (x >= self.high)).astype(float))


def case(rng):
    x = rng.uniform(-2, 2, rng.integers(4, 9))
    x[0] = 0.5
    bounds = {"low": rng.uniform(-1.1, -0.9, x.size), "high": rng.uniform(0.9, 1.1, x.size)}
    return lambda x: Clamp.apply(x, **bounds), [x]
