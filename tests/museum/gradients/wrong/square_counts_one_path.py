"""x * x * x: one variable goes into one function several times, and the gradients of its paths are not added up.

Thread: sony/nnabla#532
"""

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class Cube(mg.Function):
    def forward(self, x):
        return x * x * x

    def backward(self, gy, y):
        x = self.inputs[0]
        return gy * x * x


def case(rng):
    return Cube.apply, [rng.standard_normal(rng.integers(2, 9))]
