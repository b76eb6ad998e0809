"""Center loss: the features get the incoming gradient, the centers do not; scale the loss, and only one side follows.

Thread: jxgu1016/MNIST_center_loss_pytorch#10
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "upstream"


class CenterLoss(mg.Function):
    def forward(self, features, centers):
        return 0.5 * ((features - centers[self.label]) ** 2).sum()

    def backward(self, gy, y):
        features, centers = (t.data for t in self.inputs)
        difference = features - centers[self.label]
        g = np.zeros_like(centers)
        np.add.at(g, self.label, -difference)
        return gy * mg.Tensor(difference), mg.Tensor(g)


def case(rng):
    n, d, classes = rng.integers(2, 4, 3)
    label = rng.integers(0, classes, n)
    return lambda x, c: CenterLoss.apply(x, c, label=label), [
        rng.standard_normal((n, d)),
        rng.standard_normal((classes, d)),
    ]
