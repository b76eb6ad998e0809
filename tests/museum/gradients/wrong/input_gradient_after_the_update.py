"""Dense layer that updates its weight inside backward, and then adds to the input's gradient with the new weight again.

Thread: itskonrad/miniMNIST-c#7
"""

import minigen as mg

VERDICT, KIND = "WRONG", "in-place"


class Dense(mg.Function):
    def forward(self, x, w):
        return x @ w

    def backward(self, gy, y):
        x, w = self.inputs
        gx, gw = gy.data @ w.data.T, x.data.T @ gy.data
        w.data -= 0.01 * gw
        return mg.Tensor(gx + gy.data @ w.data.T), mg.Tensor(gw)


def case(rng):
    n, i, o = rng.integers(2, 4, 3)
    return Dense.apply, [rng.standard_normal((n, i)), rng.standard_normal((i, o))]
