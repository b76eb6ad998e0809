"""Total score of all paths (log-sum-exp): backward returns the posteriors and never multiplies by what comes in.

Thread: k2-fsa/k2#341
"""

import numpy as np

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "upstream"


class TotalScore(mg.Function):
    def forward(self, scores):
        return np.log(np.exp(scores).sum())

    def backward(self, gy, y):
        return ops.exp(self.inputs[0] - y)


def case(rng):
    return TotalScore.apply, [rng.standard_normal(rng.integers(2, 9))]
