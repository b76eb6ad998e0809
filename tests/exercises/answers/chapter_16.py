"""Right answers to chapter 16."""

import numpy as np


def speedup(shares, factors):
    return 1 / (1 - sum(shares) + sum(p / s for p, s in zip(shares, factors)))


def needed(p, total):
    left = 1 / total - (1 - p)
    return p / left if left > 1e-12 else None


def adam(p, g, m, v, a, b, k, lr):
    m *= 0.9
    np.multiply(g, 0.1, out=a)
    m += a
    v *= 0.999
    np.multiply(g, g, out=a)
    a *= 0.001
    v += a
    np.divide(v, 1 - 0.999**k, out=b)
    np.sqrt(b, out=b)
    b += 1e-8
    np.multiply(m, lr / (1 - 0.9**k), out=a)
    a /= b
    p -= a


def next_change(rows):
    whole = sum(ms for _, ms, _ in rows)
    name, ms, floor = max(rows, key=lambda row: row[1] - row[2])
    return name, whole / (whole - ms + floor)
