"""Standard deviation: backward divides by s + 1e-8, forward does not; seen only where the values lie close together.

Thread: Lightning-AI/lightning-thunder#1848
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class Deviation(mg.Function):
    def forward(self, x):
        return np.std(x, ddof=1)

    def backward(self, gy, y):
        x = self.inputs[0]
        return gy * (x - x.mean()) / ((x.size - 1) * (y + 1e-8))


def case(rng):
    return Deviation.apply, [1e-6 * rng.standard_normal(rng.integers(4, 9))]
