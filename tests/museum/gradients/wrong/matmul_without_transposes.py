"""a b: both gradients are products without any transpose, which fits the shapes as long as all matrices are square.

Thread: tile-ai/TileOPs#54
"""

import minigen as mg

VERDICT, KIND = "WRONG", ""


class MatMul(mg.Function):
    def forward(self, a, b):
        return a @ b

    def backward(self, gy, y):
        a, b = self.inputs
        return gy @ b, a @ gy


def case(rng):
    n = rng.integers(2, 4)
    return MatMul.apply, [rng.standard_normal((n, n)), rng.standard_normal((n, n))]
