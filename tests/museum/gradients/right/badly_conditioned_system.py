"""The solution of linear equations with condition number 1e4, with a backward written by hand."""

import numpy as np

import minigen as mg


class Solve(mg.Function):
    def forward(self, a, b):
        return np.linalg.solve(a, b)

    def backward(self, gy, y):
        gb = Solve.apply(self.inputs[0].T, gy)
        return -(gb.reshape(-1, 1) @ y.reshape(1, -1)), gb


def case(rng):
    n = rng.integers(2, 5)
    q, r = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return Solve.apply, [q @ np.diag(10.0 ** np.linspace(0, -4, n)) @ r, rng.standard_normal(n)]
