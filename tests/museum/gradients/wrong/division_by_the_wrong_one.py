"""a / b: the gradients are gy / a and gy b, where gy / b and -gy a / b^2 belong.

Thread: apache/singa#484
"""

import minigen as mg

VERDICT, KIND = "WRONG", ""


class Divide(mg.Function):
    def forward(self, a, b):
        return a / b

    def backward(self, gy, y):
        a, b = self.inputs
        return gy / a, gy * b


def case(rng):
    shape = rng.integers(2, 4, 2)
    return Divide.apply, [rng.uniform(0.5, 2, shape), rng.uniform(0.5, 2, shape)]
