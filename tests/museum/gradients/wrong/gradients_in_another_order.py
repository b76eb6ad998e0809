"""Three inputs in the order b, c, a: the gradients come back as a, b, c.

Thread: apache/mxnet#5980
"""

import minigen as mg

VERDICT, KIND = "WRONG", "other-input"


class Mixed(mg.Function):
    def forward(self, b, c, a):
        return a * b + c * c

    def backward(self, gy, y):
        b, c, a = self.inputs
        return gy * b, gy * a, gy * c * 2  # of a, of b, of c


def case(rng):
    n = rng.integers(3, 7)
    return Mixed.apply, [rng.standard_normal(n) for _ in range(3)]
