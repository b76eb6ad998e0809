"""One layer is used twice in a network and keeps one input: the second call overwrites that of the first.

Thread: jmschrei/tangermeme#54
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "state"


class Square(mg.Function):
    def forward(self, x):
        self.layer["input"] = x
        return np.square(x)

    def backward(self, gy, y):
        return gy * mg.Tensor(2 * self.layer["input"])


def case(rng):
    layer, n = {}, rng.integers(2, 9)
    return (
        lambda a, b: Square.apply(a, layer=layer) * 0.5 + Square.apply(b, layer=layer),
        [rng.standard_normal(n), rng.standard_normal(n)],
    )
