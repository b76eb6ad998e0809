"""Layer norm: backward gives its scale and shift None, because they were not marked as trained.

Thread: harvard-edge/cs249r_book#1504
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "none"


class LayerNorm(mg.Function):
    def forward(self, x, gamma, beta):
        self.deviation = np.sqrt(x.var(1, keepdims=True) + 1e-5)
        self.normalized = (x - x.mean(1, keepdims=True)) / self.deviation
        return gamma * self.normalized + beta

    def backward(self, gy, y):
        g, z = gy * self.inputs[1], mg.Tensor(self.normalized)
        gx = g - g.mean(1, keepdims=True) - z * (g * z).mean(1, keepdims=True)
        return gx / mg.Tensor(self.deviation), None, None


def case(rng):
    n, c = rng.integers(2, 4), rng.integers(3, 5)
    return LayerNorm.apply, [rng.standard_normal((n, c)), rng.uniform(0.5, 2, c), rng.standard_normal(c)]
