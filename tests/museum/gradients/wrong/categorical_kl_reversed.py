"""KL divergence to the uniform distribution, from logits: the gradient has its terms in reversed order.

Thread: Kaixhin/Autoencoders#9
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "sign"


class KL(mg.Function):
    def forward(self, logits):
        p = np.exp(logits) / np.exp(logits).sum()
        return (p * np.log(p * len(p))).sum()

    def backward(self, gy, y):
        p = ops.softmax(self.inputs[0], 0)
        through_log = -np.log(p.size) - ops.log(p) - 1
        return gy * p * (through_log - (p * through_log).sum())


def case(rng):
    return KL.apply, [rng.standard_normal(rng.integers(3, 8))]
