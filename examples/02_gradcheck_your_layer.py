"""Write a layer of your own, and prove that its gradients are right - or see exactly where they are wrong.

    python examples/02_gradcheck_your_layer.py

Expected: a table in which every gradient of the right layer, of first and second order, is judged right; then the
message for the wrong one, which names the input, the element, both numbers and what the error looks like. Takes a few
seconds. Read next: minigen/gradcheck.
"""

import numpy as np

import minigen as mg
from minigen import nn, ops


class Swish(mg.Function):
    """x * sigmoid(b x) with a trainable b. Its derivative in x is s + b y (1 - s) with s = sigmoid(b x)."""

    def forward(self, x, b):
        return x / (1 + np.exp(-b * x))

    def backward(self, gy, y):
        x, b = self.inputs
        s = ops.sigmoid(b * x)
        gx = gy * (s + b * y * (1 - s))
        gb = ops.sum_to(gy * y * x * (1 - s), b.shape)
        return gx, gb


class WrongSwish(Swish):
    """The same with a mistake that is easily made: the factor b is forgotten in the derivative."""

    def backward(self, gy, y):
        x, b = self.inputs
        s = ops.sigmoid(b * x)
        return gy * (s + y * (1 - s)), ops.sum_to(gy * y * x * (1 - s), b.shape)


class SwishLayer(nn.Module):
    """Dense, then swish with a slope for each unit: the check covers its input and all three parameters."""

    def __init__(self, n_in, n_out, function=Swish, *, rng):
        self.dense = nn.Dense(n_in, n_out, rng=rng)
        self.slope = nn.Parameter(1 + 0.5 * rng.uniform((n_out,)))
        self.function = function

    def forward(self, x):
        return self.function.apply(self.dense(x), self.slope)


def main() -> str:
    """Check the right layer, then the wrong one; return the message about the wrong one."""
    rng = mg.Generator(seed=0)
    x = rng.normal((4, 3))
    print(mg.gradcheck(SwishLayer(3, 5, rng=rng), x, order=2))
    try:
        mg.gradcheck(SwishLayer(3, 5, WrongSwish, rng=rng), x)
    except mg.GradientMismatch as mismatch:
        print(f"\nThe wrong layer is found out:\n{mismatch}")
        return str(mismatch)
    raise SystemExit("the wrong layer passed: this must not happen")


if __name__ == "__main__":
    main()
