"""Wrong answers to the exercises of chapter 1: number, source, a part of what has to be said of it."""

WRONG = [
    ("1.1", "import numpy as np\ndef derivative(x):\n    s = 1 / (1 + np.exp(-x))\n    return s", "WRONG, input 0"),
    ("1.1", "import numpy as np\ndef derivative(x):\n    s = 1 / (1 + np.exp(-x))\n    return x * s * (1 - s)",
     "is 0 at [0], wanted 0.5"),
    ("1.1", "import math\ndef derivative(x):\n    return 1 / (1 + math.exp(-x))", "TypeError"),
    ("1.2", "def second(f, x, h):\n    return (f(x + h) - f(x - h)) / (2 * h)\ndef best_step(size, fourth): return 1",
     "second(exp, 0.5, 0.25)"),
    ("1.2", "def second(f, x, h):\n    return (f(x + h) - 2 * f(x) + f(x - h)) / h**2\n"
            "def best_step(size, fourth):\n    return (24 * 2.0**-53 * size / fourth) ** 0.25",
     "the two errors add up to"),
    ("1.2", "def second(f, x, h):\n    return (f(x + h) - 2 * f(x) + f(x - h)) / h**2\n"
            "def best_step(size, fourth):\n    return (48 * 2.0**-53 * size / fourth) ** (1 / 3)",
     "the two errors add up to"),
    ("1.3", "def has_kink(f, x, h=1e-4):\n    return abs(f(x + h) - 2 * f(x) + f(x - h)) / h > 1e-3",
     "1000 x^2, which bends sharply; wanted False"),
    ("1.3", "def has_kink(f, x, h=1e-4):\n    return abs((f(x + h) - f(x - h)) / (2 * h) - 0.5) < 1e-3",
     "wanted"),
    ("1.3", "def has_kink(f, x):\n    abs(f(x))", "is a `return` missing?"),
]  # fmt: skip
