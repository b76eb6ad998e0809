"""Standard deviation of centered features: backward is given the features before they were centered.

Thread: xunhuang1995/AdaIN-style#24
"""

import minigen as mg

VERDICT, KIND = "WRONG", "missing-term"


class Deviation(mg.Function):
    def forward(self, x):
        return x.std(1)

    def backward(self, gy, y):
        x = self.inputs[0]
        return x * (gy / (y * x.shape[1])).reshape(-1, 1)


def case(rng):
    return Deviation.apply, [1 + rng.standard_normal(rng.integers(3, 5, 2))]
