"""2 x computed in place: the caller's array is doubled at each call.

Thread: pytorch/pytorch#30454
"""

import minigen as mg

VERDICT, KIND = "WRONG", "in-place"


class Double(mg.Function):
    def forward(self, x):
        x *= 2.0
        return x

    def backward(self, gy, y):
        gy.data *= 2.0
        return gy


def case(rng):
    return Double.apply, [rng.standard_normal(rng.integers(2, 9))]
