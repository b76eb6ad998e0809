"""forward walks through memory as C code does that is handed a pointer and two lengths: strides are not looked at.

A common mistake: `x.ctypes.data` or `as_strided` without `ascontiguousarray` before it.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "memory"


class Double(mg.Function):
    def forward(self, x):
        n, m = x.shape
        return 2 * np.lib.stride_tricks.as_strided(x, (n, m), (m * x.itemsize, x.itemsize))

    def backward(self, gy, y):
        return gy * 2


def case(rng):
    return Double.apply, [rng.standard_normal(rng.integers(2, 5, 2))]
