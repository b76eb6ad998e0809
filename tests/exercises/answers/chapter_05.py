"""Right answers to chapter 5."""

import math

import numpy as np


def gradients(g, x, k):
    flat_g, flat_x = g.reshape(-1, k.shape[1]), x.reshape(-1, k.shape[0])
    return g @ k.T, flat_x.T @ flat_g, flat_g.sum(axis=0)


def smallest_batch(i, o, ridge, size):
    # 2 n i o >= ridge size (n i + i o + n o), solved for n
    room = 2 * i * o - ridge * size * (i + o)
    if room <= 0:
        return None
    n = max(1, math.floor(ridge * size * i * o / room))
    while 2 * n * i * o < ridge * size * (n * i + i * o + n * o):
        n += 1
    return n


def weight_std(inputs, slope):
    return np.sqrt(2 / ((1 + slope**2) * inputs))
