"""Log likelihood of a Gaussian with learned log variance: the constant term of its derivative is -1/4 instead of -1/2.

Thread: y0ast/VAE-Torch#5
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "missing-term"


class LogLikelihood(mg.Function):
    def forward(self, x, mu, logvar):
        return -0.5 * (np.log(2 * np.pi) + logvar + (x - mu) ** 2 / np.exp(logvar))

    def backward(self, gy, y):
        x, mu, logvar = self.inputs
        z = (x - mu) / ops.exp(logvar)
        return -gy * z, gy * z, gy * (0.5 * z * (x - mu) - 0.25)


def case(rng):
    n = rng.integers(3, 8)
    return LogLikelihood.apply, [rng.standard_normal(n) for _ in range(3)]
