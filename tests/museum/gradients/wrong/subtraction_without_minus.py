"""a - b: the second gradient keeps the sign of the first.

Thread: KhawajaAbaid/micrograd_c#1
"""

import minigen as mg

VERDICT, KIND = "WRONG", "sign"


class Subtract(mg.Function):
    def forward(self, a, b):
        return a - b

    def backward(self, gy, y):
        return gy, gy


def case(rng):
    shape = rng.integers(1, 5, 2)
    return Subtract.apply, [rng.standard_normal(shape), rng.standard_normal(shape)]
