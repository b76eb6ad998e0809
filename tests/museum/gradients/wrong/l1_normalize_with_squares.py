"""x / sum |x|: the gradient was copied from the L2 norm, with squares of the data where their signs belong.

Thread: happynear/caffe-windows#205
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ""


class Normalize(mg.Function):
    def forward(self, x):
        self.norm = np.abs(x).sum(1, keepdims=True)
        return x / self.norm

    def backward(self, gy, y):
        x = self.inputs[0]
        return (gy - x * x * (y * gy).sum(1, keepdims=True)) / mg.Tensor(self.norm)


def case(rng):
    shape = rng.integers(2, 4, 2)
    return Normalize.apply, [rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape)]
