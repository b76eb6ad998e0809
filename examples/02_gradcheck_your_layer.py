"""Write a layer of your own, wrongly; see the diagnosis; mend it; go to the second order; and have it right.

    python examples/02_gradcheck_your_layer.py

Expected: four checks of one layer. The first version is found out by a factor ("mean and sum confused?"); the second,
mended, passes; it is asked for its second derivative and found out again ("a constant to the engine"); the third passes
to the second order, and each of some fifty errors planted in it on purpose is rejected. Takes a few seconds.
Read next: docs/gradcheck.md, minigen/gradcheck.
"""

import numpy as np

import minigen as mg
from minigen import nn, ops


class Swish(mg.Function):
    """x * sigmoid(b x) for x (N, C), with a slope b (C,) that is learned. First try.

    With s = sigmoid(b x) and y = x s the derivatives are dy/dx = s + b y (1 - s) and dy/db = x y (1 - s). The slope is
    shared by all samples, so its gradient collects those of the samples.
    """

    def forward(self, x, b):
        self.s = 1 / (1 + np.exp(-b * x))  # kept for backward, which needs it twice
        return x * self.s

    def backward(self, gy, y):
        x, b = self.inputs
        s = mg.Tensor(self.s)
        gx = gy * (s + b * y * (1 - s))
        gb = ops.mean(gy * x * y * (1 - s), 0)  # collected ... but with the wrong operation
        return gx, gb


class SummedSwish(Swish):
    """Second try: a gradient collects by addition. Right, as long as nobody differentiates it again."""

    def backward(self, gy, y):
        x, b = self.inputs
        s = mg.Tensor(self.s)
        return gy * (s + b * y * (1 - s)), ops.sum(gy * x * y * (1 - s), 0)


class RightSwish(mg.Function):
    """Third try: nothing that depends on an input is kept as an array, so the engine sees all of it."""

    def forward(self, x, b):
        return x / (1 + np.exp(-b * x))

    def backward(self, gy, y):
        x, b = self.inputs
        s = ops.sigmoid(b * x)
        return gy * (s + b * y * (1 - s)), ops.sum(gy * x * y * (1 - s), 0)


class SwishLayer(nn.Module):
    """Dense, then swish with a slope for each unit: the check covers its input and all three parameters."""

    def __init__(self, n_in, n_out, function, *, rng):
        self.dense = nn.Dense(n_in, n_out, rng=rng)
        self.slope = nn.Parameter(1 + 0.5 * rng.uniform((n_out,)))
        self.function = function

    def forward(self, x):
        return self.function.apply(self.dense(x), self.slope)


def check(title: str, function: type[mg.Function], order: int, **options) -> str:
    """Check a layer made with this function; print the report, which holds the diagnosis if it fails, and return it."""
    rng = mg.Generator(seed=0)
    layer, x = SwishLayer(3, 5, function, rng=rng), rng.normal((4, 3))
    # Without raise_on_failure=False a failure is an exception, GradientMismatch, as a test wants it.
    report = str(mg.gradcheck(layer, x, order=order, raise_on_failure=False, **options))
    print(f"{title}\n\n{report}\n\n")
    return report


def main() -> list[str]:
    """The tour: four reports."""
    return [
        check("1. The first version.", Swish, 1),
        check("2. A gradient collects by addition: sum in place of mean.", SummedSwish, 1),
        check("3. The same version, asked for the second derivative.", SummedSwish, 2),
        check("4. The sigmoid computed again in backward; the checker tests itself.", RightSwish, 2, self_test=True),
    ]


if __name__ == "__main__":
    main()
