"""Typical wrong answers to chapter 16, and a part of what the check says of each."""

AMDAHL = (
    "def speedup(shares, factors):\n    return 1 / (1 - sum(shares) + sum(p / s for p, s in zip(shares, factors)))\n"
)
NEEDED = "def needed(p, total):\n    return p / (1 / total - (1 - p))\n"
ADAM = (
    "import numpy as np\n\n\ndef adam(p, g, m, v, a, b, k, lr):\n"
    "    m *= 0.9\n    np.multiply(g, 0.1, out=a)\n    m += a\n"
    "    v *= 0.999\n    np.multiply(g, g, out=a)\n    a *= 0.001\n    v += a\n"
)

WRONG = [
    ("16.1", AMDAHL.replace("1 - sum(shares) + ", "") + NEEDED, "speedup([0.5], [2.0]) is 4, wanted 1.33333"),
    ("16.1", AMDAHL.replace("p / s", "p * s") + NEEDED, "speedup([0.5], [2.0]) is 0.666667"),
    ("16.1", AMDAHL + NEEDED, "ZeroDivisionError"),
    ("16.1", AMDAHL + "def needed(p, total):\n    left = 1 / total - (1 - p)\n    return p / left if left else None\n",
     "wanted None: a part of 0.5 that takes no time at all makes the whole 2 times as fast"),
    ("16.1", AMDAHL + "def needed(p, total):\n    return total / p\n", "needed(0.5, 1.3333333333333333) is 2.66667"),
    ("16.2", ADAM + "    p -= lr * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)\n", "arrays, in step 1"),
    ("16.2", ADAM + "    p = p - a\n", "p after step 1 is"),
    ("16.2", ADAM + "    np.sqrt(v, out=b)\n    b += 1e-8\n    np.divide(m, b, out=a)\n    a *= lr\n    p -= a\n",
     "p after step 1 is"),  # without the corrections
    ("16.2", ADAM.replace("out=a)\n    m += a", "out=g)\n    m += g"), "has changed g, which is not its own"),
    ("16.3", "def next_change(rows):\n    whole = sum(ms for _, ms, _ in rows)\n"
     "    name, ms, floor = max(rows, key=lambda row: row[1])\n    return name, whole / (whole - ms + floor)\n",
     "names 'matmul', wanted 'adam': 'matmul' is 0.5 ms above its floor, 'adam' is 2 ms above"),
    ("16.3", "def next_change(rows):\n    whole = sum(ms for _, ms, _ in rows)\n"
     "    name, ms, floor = min(rows, key=lambda row: row[2] / row[1])\n"
     "    return name, whole / (whole - ms + floor)\n",
     "names 'relu', wanted 'adam'"),
    ("16.3", "def next_change(rows):\n    name, ms, floor = max(rows, key=lambda row: row[1] - row[2])\n"
     "    return name, ms / floor if floor else 1.0\n", "the speedup in next_change("),
    ("16.3", "def next_change(rows):\n    return max(rows)[0]\n", "wanted a pair"),
]  # fmt: skip
