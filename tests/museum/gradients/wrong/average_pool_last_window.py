"""Average pooling of a length that the window does not divide: forward averages what is there, backward divides by all.

Thread: tracel-ai/burn#5604
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "region"


class AveragePool(mg.Function):
    def forward(self, x):
        return np.stack([x[:, i : i + 2].mean(1) for i in range(0, x.shape[1], 2)], 1)

    def backward(self, gy, y):
        return mg.Tensor(np.repeat(gy.data / 2, 2, 1)[:, : self.inputs[0].shape[1]])


def case(rng):
    return AveragePool.apply, [rng.standard_normal((rng.integers(2, 4), 2 * rng.integers(2, 4) + 1))]
