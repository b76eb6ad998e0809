"""x / (|x| + eps): the gradient is that of x / |x|, which is another one as soon as eps is not negligible.

Thread: chainer/chainer#4190
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "missing-term"


class Normalize(mg.Function):
    def forward(self, x):
        self.norm = np.sqrt((x * x).sum(1, keepdims=True)) + 0.1
        return x / self.norm

    def backward(self, gy, y):
        return (gy - y * (y * gy).sum(1, keepdims=True)) / mg.Tensor(self.norm)


def case(rng):
    return Normalize.apply, [rng.standard_normal(rng.integers(2, 4, 2))]
