"""x^T w: the gradient in x is (w gy^T), and was returned as its transpose.

Thread: apache/mxnet#4498
"""

import minigen as mg

VERDICT, KIND = "WRONG", "transposed"


class TransposedDot(mg.Function):
    def forward(self, x, w):
        return x.T @ w

    def backward(self, gy, y):
        x, w = self.inputs
        return (w @ gy.T).T, x @ gy


def case(rng):
    n, m = rng.integers(2, 4, 2)
    return TransposedDot.apply, [rng.standard_normal((n, n)), rng.standard_normal((n, m))]
