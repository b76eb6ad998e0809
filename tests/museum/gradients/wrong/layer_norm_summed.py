"""Layer norm whose gradient lacks its last term, checked with ones: that term is zero then, and so is all the rest.

Thread: HomericIntelligence/Odyssey#3808
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "VACUOUS", ""


class LayerNorm(mg.Function):
    def forward(self, x):
        self.deviation = np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return (x - x.mean(1, keepdims=True)) / self.deviation

    def backward(self, gy, y):
        return (gy - gy.mean(1, keepdims=True)) / mg.Tensor(self.deviation)


def case(rng):
    return lambda x: LayerNorm.apply(x).sum(), [rng.standard_normal(rng.integers(3, 5, 2))]
