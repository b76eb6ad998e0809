"""RMS norm: the second derivative is written by hand and right, but it uses a saved array, so the third is not.

Thread: pytorch/pytorch#186779 (batch norm)
"""

import numpy as np

import minigen as mg

VERDICT, KIND, ORDER = "WRONG", "detached", 3


class RMSNorm(mg.Function):
    def forward(self, x):
        return x / np.sqrt((x * x).mean())

    def backward(self, gy, y):
        return First.apply(gy, self.inputs[0])


class First(mg.Function):
    def forward(self, gy, x):
        self.scale = 1 / np.sqrt((x * x).mean())
        return self.scale * gy - self.scale**3 * x * (x * gy).mean()

    def backward(self, v, _):
        gy, x = self.inputs
        s, m, k = mg.Tensor(np.asarray(self.scale)), (x * gy).mean(), (x * v).mean()
        ggy = s * v - s**3 * x * k
        gx = 3 * s**5 * x * m * k - s**3 * (x * (v * gy).mean() + m * v + gy * k)
        return ggy, gx


def case(rng):
    return RMSNorm.apply, [rng.uniform(0.5, 2, rng.integers(3, 6)) * rng.choice([-1.0, 1.0])]
