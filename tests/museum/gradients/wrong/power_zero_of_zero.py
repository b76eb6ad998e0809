"""x ** 0: its derivative is zero, but the formula computes 0 * 0 ** -1.

Thread: tenstorrent/tt-metal#5082
"""

import minigen as mg

VERDICT, KIND = "WRONG", "nan"


class Power(mg.Function):
    def forward(self, x):
        return x**self.exponents

    def backward(self, gy, y):
        x = self.inputs[0].data
        return gy * mg.Tensor(self.exponents * x ** (self.exponents - 1))


def case(rng):
    n = rng.integers(4, 9)
    x, exponents = rng.uniform(0.5, 2, n), rng.integers(1, 4, n).astype(float)
    i = rng.integers(n)
    x[i], exponents[i] = 0.0, 0.0
    return lambda x: Power.apply(x, exponents=exponents), [x]
