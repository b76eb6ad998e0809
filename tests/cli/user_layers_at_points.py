"""A file of a user for `minigen gradcheck`: layers that are wrong at some points only, and functions of small domains.

Read next: ``test_cli_gradcheck_points.py``.
"""

FILE = '''
import numpy as np
import minigen as mg
from minigen import nn, ops


class RMSNorm(mg.Function):
    """x (N, D) over its root mean square, times w (D,)."""

    def forward(self, x, w):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w

    def backward(self, gy, y):
        x, w = self.inputs
        r = (ops.mean(x * x, axis=-1, keepdims=True) + 1e-6) ** -0.5
        g = gy * w
        gx = r * g - x * r**3 * ops.mean(g * x, axis=-1, keepdims=True)
        return gx, ops.sum(gy * x * r, axis=0)


class GradientAlone(mg.Function):
    """A backward with the arguments of another library."""

    def forward(self, x, w):
        return x * w

    def backward(self, gy):
        x, w = self.inputs
        return gy * w, gy * x


class Channels(mg.Function):
    """x (N, C, H, W) times w (C,)."""

    def forward(self, x, w):
        return x * w.reshape(-1, 1, 1)

    def backward(self, gy, y):
        x, w = self.inputs
        return gy * ops.reshape(w, (-1, 1, 1)), ops.sum(gy * x, axis=(0, 2, 3))


class Times(mg.Function):
    """x times a single number."""

    def forward(self, a, x):
        return a * x

    def backward(self, gy, y):
        a, x = self.inputs
        return ops.sum(gy * x), gy * a


class Odd(mg.Function):
    """Lengths 11 and 11 / 11, which nobody guesses."""

    def forward(self, x, w):
        return x * w

    def backward(self, gy, y):
        x, w = self.inputs
        return gy * w, ops.reshape(ops.sum(gy * x, axis=0), (11,))


class Mixing(mg.Function):
    def forward(self, q, k, v):
        return q @ k.swapaxes(-1, -2) @ v

    def backward(self, gy, y):
        q, k, v = self.inputs
        kt, vt, qt = (ops.transpose(t, (0, 2, 1)) for t in (k, v, q))
        return gy @ vt @ k, ops.transpose(qt @ gy @ vt, (0, 2, 1)), ops.transpose(q @ kt, (0, 2, 1)) @ gy


class Attention(nn.Module):
    def __init__(self, *, rng=None):
        self.query = nn.Dense(4, 4, rng=rng)

    def forward(self, x):
        return Mixing.apply(self.query(x), x, x)


class Wrong(mg.Function):
    """w (D,) whose gradient lacks its factor."""

    def forward(self, x, w):
        return x * w * 2

    def backward(self, gy, y):
        x, w = self.inputs
        return gy * w * 2.0, ops.sum(gy * x, axis=0)


class HardSwish(mg.Function):
    right = False

    def forward(self, x):
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, gy, y):
        x = self.inputs[0].data
        slope = (x > -3) * (2 * x + 3) / 6
        return gy * mg.Tensor(np.where(x > 3, 1, slope).astype(x.dtype) if self.right else slope.astype(x.dtype))


class Threshold(mg.Function):
    """Softplus, which is x itself beyond 20; backward goes on with 2."""

    def forward(self, x):
        return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))

    def backward(self, gy, y):
        x = self.inputs[0]
        return gy * mg.Tensor(np.where(x.data > 20, 2, 1 / (1 + np.exp(-x.data))).astype(x.dtype))


class AtZero(mg.Function):
    def forward(self, x):
        return x * x + x

    def backward(self, gy, y):
        x = self.inputs[0]
        return gy * (2.0 * x + 1.0) * mg.Tensor((x.data != 0).astype(x.dtype))


class Rows(mg.Function):
    """Right in the first 32 rows."""

    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        g = gy.data * y.data
        g[32:] = 0
        return mg.Tensor(g)


class Alone(mg.Function):
    """Wrong in a batch of one."""

    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        return gy * y * (2.0 if len(y) == 1 and y.ndim > 1 else 1.0)


class Single(mg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy, y):
        return gy * y * (1.5 if y.dtype == np.float32 else 1.0)


class Embedding(mg.Function):
    right = True

    def forward(self, words, table):
        return table[words]

    def backward(self, gy, y):
        words, table = self.inputs
        g = np.zeros(table.shape, table.dtype)
        np.add.at(g, words.data, gy.data * (1 if self.right else 2))
        return None, mg.Tensor(g)


class Round(mg.Function):
    def forward(self, x):
        return np.round(x)

    def backward(self, gy, y):
        return gy


class Simplex(nn.Module):
    """The logarithm of a sum that its users keep at 1: right there alone."""

    def forward(self, p):
        return LogSum.apply(p)

    @staticmethod
    def example_inputs(rng):
        p = np.abs(rng.normal((3, 5))) + 0.1
        return (p / p.sum(-1, keepdims=True),)


class LogSum(mg.Function):
    def forward(self, p):
        return p * np.log(p.sum(-1, keepdims=True))

    def backward(self, gy, y):
        p = self.inputs[0]
        total = ops.sum(p, axis=-1, keepdims=True)
        return gy * ops.log(total) + ops.sum(gy * p, axis=-1, keepdims=True)


def logarithm(x):
    return ops.log(x)


def root(x):
    return ops.sqrt(x)


def kinked(x):
    return ops.relu(x) + ops.abs(x)


def steep(x):
    return ops.exp(x) * ops.tanh(x)


def identity(x):
    return x


class BackwardRaises(mg.Function):
    """On long batches."""

    def forward(self, x):
        return x * 2

    def backward(self, gy, y):
        if len(y) > 100:
            raise ValueError("too long")
        return gy * 2.0
'''
