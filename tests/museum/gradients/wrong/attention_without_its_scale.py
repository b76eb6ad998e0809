"""Attention: forward divides the scores by the root of the features, backward does not.

A common mistake: with 4 features the factor is 2, which may as well be the batch.
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "factor"


class Attention(mg.Function):
    def forward(self, q, k, v):
        scores = q @ k.swapaxes(1, 2) * self.scale
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ v

    def backward(self, gy, y):
        q, k, v = self.inputs
        weights = ops.softmax(q @ ops.transpose(k, (0, 2, 1)) * self.scale)
        g = gy @ ops.transpose(v, (0, 2, 1))
        g = weights * (g - ops.sum(g * weights, axis=-1, keepdims=True))
        return g @ k, ops.transpose(g, (0, 2, 1)) @ q, ops.transpose(weights, (0, 2, 1)) @ gy


def case(rng):
    n, t = rng.integers(2, 4, 2)
    shape = (n, t, int(rng.choice([4, 5, 9])))
    return (
        lambda q, k, v: Attention.apply(q, k, v, scale=shape[-1] ** -0.5),
        [rng.standard_normal(shape) for _ in range(3)],
    )
