"""A gradient penalty: the function differentiates, and is differentiated."""

import minigen as mg
from minigen import ops


def penalty(w, x):
    (gx,) = mg.grad(ops.tanh(x @ w).sum(), [x], create_graph=True)
    return (gx**2).sum(1).mean()


def case(rng):
    n, i, o = rng.integers(2, 4, 3)
    return penalty, [rng.standard_normal((i, o)), rng.standard_normal((n, i))]
