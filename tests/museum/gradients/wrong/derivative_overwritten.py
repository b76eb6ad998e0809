"""Two directions of a recurrent layer: the gradient of the first is written into dy, before the second has used dy.

Thread: apache/mxnet#18203
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "in-place"


class TwoWays(mg.Function):
    def forward(self, left, right):
        return np.tanh(left) + np.sin(right)

    def backward(self, gy, y):
        left, right = self.inputs
        dy = gy.data
        dy *= 1 - np.tanh(left.data) ** 2
        return gy, gy * ops.sqrt(1 - mg.Tensor(np.sin(right.data)) ** 2)


def case(rng):
    n = rng.integers(2, 9)
    return TwoWays.apply, [rng.standard_normal(n), rng.uniform(-1, 1, n)]
