"""Right answers to the exercises of chapter 1."""

import numpy as np


def derivative(x):
    s = 1 / (1 + np.exp(-x))
    return s + x * s * (1 - s)


def second(f, x, h):
    return (f(x + h) - 2 * f(x) + f(x - h)) / h**2


def best_step(size, fourth):
    return (48 * 2.0**-53 * size / fourth) ** 0.25


def has_kink(f, x):
    def jump(h):
        right = (f(x + h) - f(x)) / h
        left = (f(x) - f(x - h)) / h
        return abs(right - left)

    return jump(1e-5) > 0.8 * jump(1e-4) and jump(1e-5) > 1e-6
