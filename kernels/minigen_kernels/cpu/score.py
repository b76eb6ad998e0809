"""Of the scores of a GAN's discriminator on the CPU: statistics, a critic's loss and the penalty on its slope.

Imports: NumPy, elementwise, reduce; from ``reference`` the gradients, and the checks of arguments. Read next:
``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.elementwise import sigmoid
from minigen_kernels.cpu.reduce import sum_axes
from minigen_kernels.reference import score
from minigen_kernels.reference.score import SMALLEST_SQUARE, check_samples, check_scores


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Means of real (N,) and fake (M,) scores or probabilities, their difference, and the accuracy: (4,)."""
    check_scores("score_statistics", real=real, fake=fake)
    right = np.count_nonzero(real > threshold) / real.size + np.count_nonzero(fake <= threshold) / fake.size
    r, f = map(_mean, (sigmoid(real), sigmoid(fake)) if logits else (real, fake))
    return np.array([r, f, r - f, right * 0.5], real.dtype)


def mean_difference(a: Array, b: Array) -> Array:
    """The mean of a (N,) less that of b (M,): shape ()."""
    check_scores("mean_difference", a=a, b=b)
    return np.asarray(_mean(a) - _mean(b))


def mean_difference_backward(gy: Array, n: int, m: int) -> tuple[Array, Array]:
    """Gradients of `mean_difference`: n times gy / n, and m times -gy / m."""
    return score.mean_difference_backward(gy, n, m)


def unit_norm_penalty(g: Array) -> tuple[Array, Array]:
    """How far the norms of samples are from 1: g (N, ...) -> the mean of (norm_n - 1)^2, (), and the norms (N,)."""
    check_samples("unit_norm_penalty", g)
    norms = np.sqrt(sum_axes(g * g, tuple(range(1, g.ndim)), 1.0) + SMALLEST_SQUARE)
    deviation = norms - 1
    return np.asarray(_mean(deviation * deviation)), norms


def unit_norm_penalty_backward(gy: Array, g: Array, norms: Array) -> Array:
    """Gradient of `unit_norm_penalty`: gg_n = gy 2 / N (norm_n - 1) / norm_n g_n."""
    return score.unit_norm_penalty_backward(gy, g, norms)


def _mean(x: Array) -> Array:
    return sum_axes(x, (0,), 1 / x.size)
