"""Product of a row: its gradient is zero where two elements are, but not constant; it was returned as a constant.

Thread: pytorch/pytorch#106789
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND, ORDER = "WRONG", ("detached", "zero", "region", "mask"), 2


class Product(mg.Function):
    def forward(self, x):
        return x.prod(1)

    def backward(self, gy, y):
        x = self.inputs[0]
        zeros = (x.data == 0).sum(1, keepdims=True)
        moves = (zeros == 0) | (zeros == 1) & (x.data == 0)  # where the product of the others is not zero
        others = ops.where(x == 0, np.ones(x.shape), x)
        return (gy * Product.apply(others)).reshape(-1, 1) / others * mg.Tensor(moves.astype(float))


def case(rng):
    x = rng.uniform(0.5, 2, (2, rng.integers(3, 5)))
    x[0, :2] = 0.0
    return Product.apply, [x]
