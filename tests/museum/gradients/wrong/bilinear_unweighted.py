"""Bilinear form of two inputs, several outputs: the gradient of the inputs is not weighted by that of the outputs.

Thread: torch/nn#657
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "upstream"


class Bilinear(mg.Function):
    def forward(self, a, b, w):
        return np.einsum("i,kij,j->k", a, w, b)

    def backward(self, gy, y):
        a, b, w = (t.data for t in self.inputs)
        ga, gb = np.einsum("kij,j->i", w, b), np.einsum("i,kij->j", a, w)
        return mg.Tensor(ga), mg.Tensor(gb), mg.Tensor(np.einsum("k,i,j->kij", gy.data, a, b))


def case(rng):
    n, m, k = rng.integers(2, 4, 3)
    return Bilinear.apply, [rng.standard_normal(n), rng.standard_normal(m), rng.standard_normal((k, n, m))]
