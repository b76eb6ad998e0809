"""An autoencoder whose decoder is the transpose of its encoder: one parameter, two paths."""

from minigen import ops

ORDER = 2


def case(rng):
    i, h = rng.integers(2, 4, 2)
    return lambda x, w: ops.tanh(x @ w) @ w.T, [rng.standard_normal((2, i)), rng.standard_normal((i, h))]
