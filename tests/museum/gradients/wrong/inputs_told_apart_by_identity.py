"""Gradients in a dict by id(input): of f(x, x) one overwrites the other.

A common mistake: an input is a place, not an object.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "same-input"


class Product(mg.Function):
    def forward(self, a, b):
        return a * np.square(b)

    def backward(self, gy, y):
        a, b = self.inputs
        gradients = {id(a): gy * b * b}
        gradients[id(b)] = 2.0 * gy * a * b
        return gradients[id(a)], gradients[id(b)]


def case(rng):
    shape = rng.integers(2, 5, 2)
    return Product.apply, [rng.standard_normal(shape), rng.standard_normal(shape)]
