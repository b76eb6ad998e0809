"""Typical wrong answers to chapter 5, and a part of what the check says of each."""

WRONG = [
    ("5.1", "def gradients(g, x, k):\n    return g @ k, x.T @ g, g.sum(0)\n", "in gradients: return g @ k, x.T"),
    ("5.1", "def gradients(g, x, k):\n    return g @ k.T, g.T @ x, g.sum(0)\n",
     "the gradient in k has shape (3, 4), wanted (4, 3), that of k itself"),
    ("5.1", "def gradients(g, x, k):\n    return g @ k.T, x.T @ g, g.sum()\n",
     "the gradient in b has shape (), wanted (3,), that of b itself"),
    ("5.1", "def gradients(g, x, k):\n    return g @ k.T, x.T @ g / len(x), g.sum(0)\n",
     "5 is the length of axis 0 of input 0"),
    ("5.1", "def gradients(g, x, k):\n    return g @ k.T, x.T @ g, g.sum(0)\n",
     "in gradients: return g @ k.T, x.T @ g"),  # right for a matrix alone
    ("5.1", "def gradients(g, x, k):\n    g @ k.T\n", "is None: is a `return` missing?"),
    ("5.2", "def smallest_batch(i, o, ridge, size):\n    return 1\n",
     "smallest_batch(4096, 4096, 4.4, 4) is 1, wanted 9"),
    ("5.2", "def smallest_batch(i, o, ridge, size):\n    n = 1\n"
     "    while n < 5000 and 2 * n * i * o / (4 * (n * i + i * o + n * o)) < ridge:\n        n += 1\n"
     "    return n if n < 5000 else None\n", "smallest_batch(784, 512, 10.0, 8) is 22, wanted 46"),
    ("5.2", "def smallest_batch(i, o, ridge, size):\n    return round(1 / (2 / (ridge * size) - 1 / i - 1 / o))\n",
     "wanted"),
    ("5.3", "def weight_std(inputs, slope):\n    return 2 / ((1 + slope**2) * inputs)\n",
     "weight_std(100, 0.0) is 0.02, wanted 0.141421"),
    ("5.3", "def weight_std(inputs, slope):\n    return (2 / inputs) ** 0.5\n",
     "weight_std(100, 1.0) is 0.141421, wanted 0.1"),
    ("5.3", "def weight_std(inputs, slope):\n    return (2 / ((1 + slope) * inputs)) ** 0.5\n", "weight_std(400, 0.2)"),
]  # fmt: skip
