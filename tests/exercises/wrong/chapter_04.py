"""Wrong answers to the exercises of chapter 4: number, source, a part of what has to be said of it."""

MEAN = """import numpy as np
def mean_adjoint(g, shape, axis, keepdims):
    axes = axis if isinstance(axis, tuple) else (axis,)
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    """
WINDOWS = """import numpy as np
def windows(x, k):
    return np.stack([x[i : i + k] for i in range(len(x) - k + 1)])
def windows_adjoint(g, n):
    gx = np.zeros(n)
    """

WRONG = [
    ("4.1", MEAN + "return np.broadcast_to(np.reshape(g, kept), shape)", "it is 2 times what is wanted, everywhere"),
    ("4.1", MEAN + "return np.broadcast_to(g, shape) / np.prod([shape[i] for i in axes])",
     "mean_adjoint(g, (3, 3), axis=1, keepdims=False) is"),
    ("4.1", MEAN + "return np.reshape(g, kept) / np.prod([shape[i] for i in axes])",
     "axis=0, keepdims=False) has shape (1, 3), wanted (2, 3)"),
    ("4.2", "import numpy as np\ndef cumsum_adjoint(g, axis):\n    return np.cumsum(g, axis)",
     "For a random x, <f(x), g> is"),
    ("4.2", "import numpy as np\ndef cumsum_adjoint(g, axis):\n    return np.cumsum(g[::-1], axis)[::-1]",
     "cumsum_adjoint(g, axis=1) is"),
    ("4.2", "from numpy import cumsum, flip\ndef cumsum_adjoint(g, axis):\n    g[:] = flip(cumsum(flip(g, axis), axis),"
            " axis)\n    return g", "changes g"),
    ("4.3", WINDOWS + "for i, row in enumerate(g):\n        gx[i : i + len(row)] = row\n    return gx",
     "windows_adjoint(g, 4) for windows of 2 is"),
    ("4.3", WINDOWS + "for i, row in enumerate(g):\n        gx[i : i + len(row)] += row / len(row)\n    return gx",
     "it is 0.5 times what is wanted, everywhere"),
]  # fmt: skip
