"""Right answers to the exercises of chapter 11."""

import numpy as np


def factor(curvature, lr, momentum):
    return abs(np.roots([1, -(1 + momentum - lr * curvature), momentum])).max()


def adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    p = p * (1 - lr * weight_decay)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p, m, v


def traffic(parameters):
    read = {"sgd": "p g", "momentum": "p g u", "rmsprop": "p g s", "adam": "p g m v"}
    written = {"sgd": "p", "momentum": "p u", "rmsprop": "p s", "adam": "p m v"}
    return {name: tuple(4 * parameters * len(arrays[name].split()) for arrays in (read, written)) for name in read}
