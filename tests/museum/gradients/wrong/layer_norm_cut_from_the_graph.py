"""Layer norm: the result is made into a new Tensor from an array, which has no history.

Thread: paiml/aprender#2196
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "zero"


def layer_norm(x, gamma, beta):
    deviation = x - ops.mean(x, -1, keepdims=True)
    y = deviation / ops.sqrt(ops.mean(deviation**2, -1, keepdims=True) + 1e-5)
    return mg.Tensor((y * gamma + beta).data)


def case(rng):
    n, c = rng.integers(2, 4), rng.integers(3, 5)
    return layer_norm, [rng.standard_normal((n, c)), rng.uniform(0.5, 2, c), rng.standard_normal(c)]
