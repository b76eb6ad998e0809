"""Power: its gradient was copied from ReLU, and never changed.

Thread: ahrefs/ocannl#73
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", ""


class Power(mg.Function):
    def forward(self, x):
        return x**2.5

    def backward(self, gy, y):
        return ops.where(y > 0, gy, gy * 0)


def case(rng):
    return Power.apply, [rng.uniform(0.5, 3, rng.integers(3, 9))]
