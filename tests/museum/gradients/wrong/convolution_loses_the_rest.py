"""Strided convolution of a length that the stride does not fit: the gradient of the input ends with the last window.

Thread: torch/DEPRECEATED-torch7-distro#20
"""

import numpy as np

import minigen as mg

VERDICT, KIND = "WRONG", "shape"


class Conv(mg.Function):
    def forward(self, x, w):
        return np.correlate(x, w, "valid")[::2]

    def backward(self, gy, y):
        x, w = (t.data for t in self.inputs)
        spread = np.zeros(2 * y.size - 1)
        spread[::2] = gy.data
        gx, used = np.convolve(spread, w), spread.size + w.size - 1
        return mg.Tensor(gx), mg.Tensor(np.correlate(x[:used], spread, "valid"))


def case(rng):
    return Conv.apply, [rng.standard_normal(2 * rng.integers(3, 6)), rng.standard_normal(3)]
