"""A kernel that computes in float32 behind a float64 interface: the difference quotient is mostly rounding.

Thread: CharlesShang/DCNv2#13
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "PRECISION", ""


class Sample(mg.Function):
    def forward(self, x):
        return np.sin(3 * x.astype(np.float32)).astype(np.float64)

    def backward(self, gy, y):
        return gy * mg.Tensor(3 * np.cos(3 * self.inputs[0].data))


def case(rng):
    return Sample.apply, [rng.standard_normal(rng.integers(3, 5, 2))]
