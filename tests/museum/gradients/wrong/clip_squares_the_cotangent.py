"""Clip: the mask already holds the gradient of the result, which is multiplied in once more; with ones nothing shows.

Thread: elixir-nx/nx#1779
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "not-linear"


class Clip(mg.Function):
    def forward(self, x):
        return np.clip(x, -1, 1)

    def backward(self, gy, y):
        x = self.inputs[0]
        return gy * ops.where((x > -1) & (x < 1), gy, gy * 0)


def case(rng):
    x = rng.uniform(-0.9, 0.9, rng.integers(4, 9))
    x[0], x[1] = 1.5, -1.5
    return Clip.apply, [rng.permutation(x)]
