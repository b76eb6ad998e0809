"""Log density of a normal distribution: the gradient in the covariance has the wrong sign.

Thread: HIPS/autograd#412
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "sign"


class LogDensity(mg.Function):
    def forward(self, x, cov):
        return np.asarray(-0.5 * x @ np.linalg.solve(cov, x) - 0.5 * np.log(np.linalg.det(cov)))

    def backward(self, gy, y):
        x, cov = (t.data for t in self.inputs)
        inverse = np.linalg.inv(cov)
        z = inverse @ x
        right = 0.5 * (np.outer(z, z) - inverse)
        return gy * mg.Tensor(-z), gy * mg.Tensor(-right)


def case(rng):
    n = rng.integers(2, 4)
    root = rng.standard_normal((n, n))
    return LogDensity.apply, [rng.standard_normal(n), root @ root.T + np.eye(n)]
