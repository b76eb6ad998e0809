"""Gradient penalty with .detach() "so that there is no second order": the penalty becomes a constant of the weights.

Thread: brownvc/R3GAN#20
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "zero"


def penalty(w, x):
    (gx,) = mg.grad(ops.tanh(x @ w).sum(), [x], create_graph=True)
    return (gx.detach() ** 2).sum(1).mean()


def case(rng):
    n, i, o = rng.integers(2, 4, 3)
    return penalty, [rng.standard_normal((i, o)), rng.standard_normal((n, i))]
