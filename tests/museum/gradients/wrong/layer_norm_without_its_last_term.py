"""Layer norm whose gradient lacks its last term: seen as soon as the cotangent is not constant.

Thread: HomericIntelligence/Odyssey#3808
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "missing-term"


class LayerNorm(mg.Function):
    def forward(self, x):
        self.deviation = np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return (x - x.mean(1, keepdims=True)) / self.deviation

    def backward(self, gy, y):
        return (gy - gy.mean(1, keepdims=True)) / mg.Tensor(self.deviation)


def case(rng):
    return LayerNorm.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
