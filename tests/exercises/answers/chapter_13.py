"""Right answers to the exercises of docs/guide/13_vae.md."""

import numpy as np

from minigen import ops


def kl(mean1, logvar1, mean2, logvar2):
    ratio = ops.exp(logvar1 - logvar2)
    return (logvar2 - logvar1 + ratio + (mean1 - mean2) ** 2 * ops.exp(-logvar2) - 1) * 0.5


def bound(log_w):
    largest = log_w.max(axis=0)
    return largest + np.log(np.exp(log_w - largest).mean(axis=0))


def score_gradient(f, mean, logvar, noise):
    z = mean + np.exp(logvar / 2) * noise
    return f(z) * noise / np.exp(logvar / 2), f(z) * (noise**2 - 1) / 2
