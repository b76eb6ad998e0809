"""Recurrent network with zoneout: backward uses the mask of the first step at every step.

Thread: lmnt-com/haste#43
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", ""


class Zoneout(mg.Function):
    def forward(self, x):
        h = np.zeros(x.shape[1])
        for keep, step in zip(self.keep, x, strict=True):
            h = keep * h + (1 - keep) * np.tanh(step)
        return h

    def backward(self, gy, y):
        g, gx = gy.data, []
        for step in self.inputs[0].data[::-1]:
            gx.append(g * (1 - self.keep[0]) * (1 - np.tanh(step) ** 2))
            g = g * self.keep[0]
        return mg.Tensor(np.array(gx[::-1]))


def case(rng):
    steps, units = rng.integers(3, 6), rng.integers(2, 5)
    keep = rng.integers(0, 2, (steps, units)).astype(float)
    keep[0, 0], keep[-1, 0] = 1.0, 0.0
    return lambda x: Zoneout.apply(x, keep=keep), [rng.standard_normal((steps, units))]
