"""Right answers to the exercises of chapter 12."""

import numpy as np


def pca(x, k):
    mean = x.mean(0)
    _, sigma, components = np.linalg.svd(x - mean, full_matrices=False)
    return mean, components[:k], (sigma[k:] ** 2).sum() / len(x)


def gradients(x, W, V):
    z = x @ W.T
    residual = z @ V.T - x
    gV = 2 / len(x) * residual.T @ z
    gW = 2 / len(x) * (residual @ V).T @ x
    return gW, gV


def contraction(x, W, b):
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    return ((h * (1 - h)) ** 2 * (W**2).sum(1)).sum() / len(x)
