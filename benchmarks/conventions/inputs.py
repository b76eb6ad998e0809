"""The inputs of every table: the same small numbers for minigen and for its peers. Also runs on Python 3.8.

Imports: nothing. Read next: ``adapter.py``.
"""

INF = float("inf")

#: Where the first and second derivative are taken: the sum of the result, by x.
KINKS = {
    "abs": [0.0],
    "relu": [0.0],
    "maximum with 0": [0.0],
    "leaky relu": [0.0],  # slope 0.25
    "elu": [0.0],  # alpha 2
    "clip": [-1.0, 0.0, 1.0],  # to [-1, 1]
    "maximum": [1.0, 1.0],  # of its two numbers
    "minimum": [1.0, 1.0],
    "max": [2.0, 2.0, 1.0],  # of all
    "max over an axis": [2.0, 2.0, 1.0],
    "min": [1.0, 2.0, 1.0],
    "max pooling": [1.0, 1.0, 1.0, 1.0],  # a window of 2 x 2
    "sort": [2.0, 2.0, 1.0],  # the sorted numbers times (1, 10, 100)
    "median": [1.0, 2.0, 3.0, 4.0],
    "sqrt": [0.0],
    "where around sqrt": [0.0],  # where(x > 0, sqrt(x), 0)
    "norm": [0.0, 0.0],
    "norm squared": [0.0, 0.0],  # norm(x) ** 2
    "largest absolute value": [1.0, -1.0],  # the norm of order infinity
    "power 1": [0.0],  # x ** 1.0
    "power 2": [0.0],  # x ** 2.0
    "product with a zero": [0.0, 2.0, 3.0],
    "product with two zeros": [0.0, 0.0, 3.0],
    "standard deviation": [1.0, 1.0],
    "logsumexp": [-INF, -INF],
}
SORT_WEIGHTS = [1.0, 10.0, 100.0]

#: One parameter of value 1, three gradients, the rate 0.1.
GRADIENTS = [0.5, -0.25, 1.0]
RATE = 0.1
RATES = [0.1, 0.05, 0.05]  # where it falls after the first step
MOMENTUM, BETAS, ALPHA, EPS, DECAY = 0.9, (0.9, 0.99), 0.9, 0.1, 0.1
TO_CLIP, MAX_NORM = [3e-6, 4e-6], 2.5e-6  # so small that an epsilon in the division is seen

#: A batch for normalisation, (4, 1), and for layer norm (1, 4): mean 3, variance 5 (biased) or 6.667.
BATCH = [0.0, 2.0, 4.0, 6.0]
SMALL = [0.0, 0.002, 0.004, 0.006]  # variance 5e-6: here epsilon is seen

#: Predictions and targets, (2, 3).
PREDICTION = [[0.2, 0.5, 0.9], [0.4, 0.6, 0.1]]
TARGET = [[0.0, 1.0, 1.0], [1.0, 0.0, 0.5]]
LOGITS = [[-1.0, 0.0, 2.0], [0.5, 1.0, -2.0]]
MEAN = [[0.5, -0.5], [1.0, 0.0]]  # (2, 2) of a Gaussian code
LOGVAR = [[0.0, -1.0], [0.5, 1.0]]
VARIANCE = 0.25


#: A weight with singular values 2 and 1, (out, in); the start of the power iteration; the transposed convolution of
#: one channel to two whose kernels are (2, 0) and (0, 1): 2 as a matrix (out, everything else), 2.236 as one row.
MATRIX = [[2.0, 0.0], [0.0, 1.0]]
START = [0.5**0.5, 0.5**0.5]

#: Vector quantisation: a vector, its nearest entry, and the gradient that comes back.
VECTOR, ENTRIES, COTANGENT = [1.0, 0.0], [[0.0, 2.0], [9.0, 9.0]], [1.0, 2.0]


def numbers(n, d, seed):
    """Numbers of a small generator that is the same everywhere, about uniform in [-1, 1): rows (n, d)."""
    state, rows = seed, []
    for _ in range(n):
        row = []
        for _ in range(d):
            state = (1103515245 * state + 12345) % 2**31
            row.append(state / 2**30 - 1)
        rows.append(row)
    return rows


def frechet_sets():
    """Pairs of features (N, D) for the Frechet distance."""
    return {
        "corners": tuple([[x, y] for x in (-s, s) for y in (-s, s)] for s in (1.0, 2.0)),
        "equal sets": (numbers(40, 4, 1), numbers(40, 4, 1)),
        "one law, 40 samples of 4": (numbers(40, 4, 1), numbers(40, 4, 2)),
        "equal sets, 5 samples of 8": (numbers(5, 8, 1), numbers(5, 8, 1)),
        "one law, 5 samples of 8": (numbers(5, 8, 1), numbers(5, 8, 2)),
        "constant features": ([[1.0, 2.0]] * 10, [[1.0, 2.0]] * 10),
    }


PRECISION, DENSITY = ("precision", "recall"), ("density", "coverage")


def neighbour_sets():
    """Real and generated features (N, D) for precision and recall, k = 3."""
    some = numbers(20, 2, 3)
    return {
        "the same 20 samples": (some, some),
        "one law, 20 samples": (some, numbers(20, 2, 4)),
        "every sample 4 times": (some * 4, some * 4),
        "all samples equal": ([[0.0, 0.0]] * 20, [[0.0, 0.0]] * 20),
        "3 samples": (some[:3], some[:3]),
    }
