"""e ** x for a number e: backward differentiates x ** e.

Thread: tenstorrent/tt-metal#52144
"""

import minigen as mg

VERDICT, KIND = "WRONG", ""


class ReversePower(mg.Function):
    def forward(self, x):
        return self.base**x

    def backward(self, gy, y):
        return gy * self.base * self.inputs[0] ** (self.base - 1)


def case(rng):
    base = rng.uniform(1.5, 4)
    return lambda x: ReversePower.apply(x, base=base), [rng.uniform(0.5, 2, rng.integers(3, 9))]
