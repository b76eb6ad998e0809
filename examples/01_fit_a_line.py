"""Fit a line to noisy points with nothing but Tensors: the whole of gradient descent in ten lines.

    python examples/01_fit_a_line.py

Expected: the points lie around y = 3 x - 1, and after 200 steps slope and intercept are within 0.05 of 3 and -1. Takes
less than a second. Read next: minigen/autograd/tensor.py.
"""

import argparse

import minigen as mg


def main(steps: int = 200) -> tuple[float, float]:
    """Descend `steps` times along the gradient of the mean squared error; return slope and intercept."""
    rng = mg.Generator(seed=0)
    x = mg.Tensor(rng.uniform((100,), -1, 1))
    y = 3 * x - 1 + mg.Tensor(rng.normal((100,), std=0.1))

    slope = mg.Tensor(0.0, requires_grad=True)
    intercept = mg.Tensor(0.0, requires_grad=True)
    for step in range(steps):
        error = slope * x + intercept - y
        loss = (error * error).mean()
        g_slope, g_intercept = mg.grad(loss, [slope, intercept])
        slope.data = slope.data - 0.3 * g_slope.data
        intercept.data = intercept.data - 0.3 * g_intercept.data
        if step % 20 == 0 or step == steps - 1:
            print(f"step {step:3d}  loss {loss.item():.4f}  y = {slope.item():.3f} x {intercept.item():+.3f}")
    return slope.item(), intercept.item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    main(parser.parse_args().steps)
