"""Cross entropy, summed over the batch: backward divides by the batch size all the same.

Thread: paiml/aprender#2182
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "factor"


class CrossEntropy(mg.Function):
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.probabilities = e / e.sum(-1, keepdims=True)
        return -np.log(self.probabilities)[np.arange(len(x)), self.target].sum()

    def backward(self, gy, y):
        x = self.inputs[0]
        onehot = np.eye(x.shape[1])[self.target]
        return gy * mg.Tensor((self.probabilities - onehot) / len(x))


def case(rng):
    n, classes = rng.integers(2, 6, 2)
    target = rng.integers(0, classes, n)
    return lambda x: CrossEntropy.apply(x, target=target), [rng.standard_normal((n, classes))]
