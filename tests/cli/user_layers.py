"""A file of a user for `minigen gradcheck`: layers and functions, right, wrong, and such that cannot be checked.

Read next: ``test_cli_gradcheck.py``.
"""

HEAD = "import numpy as np\n\nimport minigen as mg\nfrom minigen import nn, ops\n\n"

FILE = (
    HEAD
    + '''
class Product(mg.Function):
    """x w^T"""

    wrong = False

    def forward(self, x, w):
        return x @ w.T

    def backward(self, gy, y):
        x, w = self.inputs
        gw = ops.transpose(gy) @ x
        return gy @ w, (ops.transpose(gw) if self.wrong else gw)


class Layer(nn.Module):
    def __init__(self, features: int, wrong=False, *, rng=None):
        self.wrong, self.drawn_by = wrong, rng
        self.weight = nn.Parameter((rng or mg.Generator(0)).normal((features, features)))

    def forward(self, x):
        return Product.apply(x, self.weight, wrong=self.wrong)


class Offering(nn.Module):
    """Takes class numbers beside its input, and says so."""

    def __init__(self):
        self.table = nn.Parameter(np.ones((4, 3), np.float32))

    def forward(self, x, labels):
        return ops.tanh(x) * self.table[labels]

    @staticmethod
    def example_inputs(rng):
        return rng.normal((5, 3)), np.array([0, 3, 1, 1, 2])


class Constant(mg.Function):
    """exp, with the result kept as an array: right once only."""

    def forward(self, x):
        self.saved = np.exp(x)
        return self.saved

    def backward(self, gy, y):
        return gy * mg.Tensor(self.saved)


class Broken(mg.Function):
    def forward(self, x):
        return x * 2

    def backward(self, gy, y):
        return gy * self.nothing


class Empty(nn.Module):
    def forward(self):
        return mg.Tensor(np.ones(3))


class Integers(nn.Module):
    def forward(self, x):
        return mg.Tensor(np.ones(3))

    def example_inputs(self):
        return np.arange(3)


class Raising(nn.Module):
    def __init__(self, size=3):
        raise KeyError("no such size")


class Picky(nn.Module):
    def forward(self, x):
        if x.shape != (2, 11):
            raise ValueError(f"I want (2, 11), got {x.shape}")
        return x * x


net = nn.Sequential(nn.Dense(3, 4), ops.tanh, nn.Dense(4, 2))
number = 7


def logarithm(x):
    return ops.log(x)


def power(x, exponent):
    return x**exponent


def image(x):
    return ops.max_pool2d(x, 2)


def two(x, w, *more):
    return x * w


def noisy(x):
    print("layer speaks")
    return ops.tanh(x)


def positive_only(x):
    if (x.data < 0).any():
        raise ValueError("I want positive numbers")
    return ops.sqrt(x)


def undefined(x):
    return ops.log(-ops.abs(x))


def single(x):
    return x * mg.Tensor(np.ones(x.shape, np.float32))


def flat(x):
    return 3.0


def rounded(x):
    return ops.relu(x - x.detach())


def raising(x):
    return helper(x)


def helper(x):
    raise RuntimeError("the sensor is cold")
'''
)
