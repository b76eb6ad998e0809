"""An intermediate result is saved by forward and used in backward: right once, a constant for every further derivative.

Thread: pytorch/pytorch#76185
"""

import minigen as mg

VERDICT, KIND, ORDER = "WRONG", "detached", 2


class SixTimes(mg.Function):
    def forward(self, x):
        self.twice = x * 2
        return self.twice * 3

    def backward(self, gy, y):
        return gy * 3 * mg.Tensor(self.twice) / self.inputs[0]


def case(rng):
    return SixTimes.apply, [rng.uniform(0.5, 2, rng.integers(2, 9))]
