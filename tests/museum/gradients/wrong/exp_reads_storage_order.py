"""exp multiplies gradient and result in the order of memory: right for contiguous arrays, wrong behind a transposition.

A common mistake: `ravel("K")` to save a copy, or a kernel that is handed a pointer; contiguous tests do not see it.
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "memory"


class FlatExp(mg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        return mg.Tensor((gy.data.ravel("K") * y.data.ravel("K")).reshape(y.shape))


def case(rng):
    return FlatExp.apply, [rng.standard_normal(rng.integers(2, 5, 2))]
