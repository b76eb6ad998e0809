"""Batch norm written with a variance that was cut out of the graph: the gradient lacks what flows through it.

Thread: abhiskk/ladder#2
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", ("missing-term", "detached")


def normalize(x):
    variance = mg.Tensor(x.data.var(0))
    return (x - ops.mean(x, 0)) / ops.sqrt(variance + 1e-5)


def case(rng):
    return normalize, [rng.standard_normal((rng.integers(3, 7), rng.integers(1, 4)))]
