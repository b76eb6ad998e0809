"""Right answers to the exercises of chapter 6."""

import numpy as np

import minigen as mg
from minigen import ops


def sizes(o, k, stride, padding, dilation):
    smallest = (o - 1) * stride - 2 * padding + dilation * (k - 1) + 1
    return [h for h in range(smallest, smallest + stride) if h >= 1]


def col2im(columns, C, H, W, k):
    oh, ow = H - k + 1, W - k + 1
    pieces = columns.reshape(C, k, k, oh, ow)
    image = np.zeros((C, H, W))
    for u, v in np.ndindex(k, k):
        image[:, u : u + oh, v : v + ow] += pieces[:, u, v]
    return image


class Correlate(mg.Function):
    def forward(self, x, w):
        return np.array([w @ x[i : i + len(w)] for i in range(len(x) - len(w) + 1)])

    def backward(self, gy, y):
        x, w = self.inputs
        rim = w.shape[0] - 1
        return Correlate.apply(ops.pad(gy, [(rim, rim)]), w[::-1]), Correlate.apply(x, gy)
