"""Backward adds to the incoming gradient in place, and so changes what others still need.

Thread: pytorch/pytorch#81417
"""

import minigen as mg

VERDICT, KIND = "WRONG", "in-place"


class Copy(mg.Function):
    def forward(self, x):
        return x.copy()

    def backward(self, gy, y):
        gy.data += 1
        return gy


def case(rng):
    return Copy.apply, [rng.standard_normal(rng.integers(2, 9))]
