"""Of the scores of a GAN's discriminator: statistics, a critic's loss and the penalty on its slope, in NumPy.

Imports: NumPy, elementwise. Read next: ``optim.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.elementwise import sigmoid

SMALLEST_SQUARE = 1e-12  # added under a root


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Four numbers (4,) of the scores of real images (N,) and of fake ones (M,), each at least one.

    The means of real and of fake, of the scores, or for `logits` of the probabilities sigmoid(score); their difference;
    and the accuracy, the mean of the share of real above the threshold and that of fake at most there.
    """
    check_scores("score_statistics", real=real, fake=fake)
    accuracy = ((real > threshold).mean() + (fake <= threshold).mean()) / 2
    r, f = (x.mean(dtype=np.float64) for x in ((sigmoid(real), sigmoid(fake)) if logits else (real, fake)))
    return np.array([r, f, r - f, accuracy], real.dtype)


def mean_difference(a: Array, b: Array) -> Array:
    """The mean of a (N,) less that of b (M,), each of at least one number: shape ()."""
    check_scores("mean_difference", a=a, b=b)
    return np.array(a.mean(dtype=np.float64) - b.mean(dtype=np.float64)).astype(a.dtype)


def mean_difference_backward(gy: Array, n: int, m: int) -> tuple[Array, Array]:
    """Gradients of `mean_difference`: n times gy / n, and m times -gy / m; gy has shape ()."""
    return np.full(n, gy * gy.dtype.type(1 / n)), np.full(m, -gy * gy.dtype.type(1 / m))


def unit_norm_penalty(g: Array) -> tuple[Array, Array]:
    """How far the norms of samples are from 1: g (N, ...) -> the mean of (norm_n - 1)^2, shape (), and the norms (N,).

    norm_n = sqrt(sum g_n^2 + 1e-12): at 0 the root has no finite derivative.
    """
    check_samples("unit_norm_penalty", g)
    squares = (g.astype(np.float64) ** 2).sum(tuple(range(1, g.ndim)))
    norms = np.sqrt(squares + SMALLEST_SQUARE)
    return np.array(((norms - 1) ** 2).mean()).astype(g.dtype), norms.astype(g.dtype)


def unit_norm_penalty_backward(gy: Array, g: Array, norms: Array) -> Array:
    """Gradient of `unit_norm_penalty`: gg_n = gy 2 / N (norm_n - 1) / norm_n g_n; gy has shape ()."""
    check_samples("unit_norm_penalty_backward", g, norms)
    factor = gy * g.dtype.type(1 / len(g)) * ((norms - 1) * 2) / (norms * 2)
    half = factor.reshape(-1, *(1,) * (g.ndim - 1)) * g
    return half + half


def check_scores(name: str, **scores: Array) -> None:
    """Raise ValueError unless all are vectors, not empty, of one dtype."""
    if any(x.ndim != 1 or not x.size for x in scores.values()) or len({x.dtype for x in scores.values()}) > 1:
        got = ", ".join(f"{key} {x.shape} {x.dtype}" for key, x in scores.items())
        raise ValueError(f"{name}: expected vectors of at least one number, of one dtype, got {got}")


def check_samples(name: str, g: Array, norms: Array | None = None) -> None:
    """Raise ValueError unless g has samples, and norms one number for each, of its dtype."""
    if not g.ndim or not len(g):
        raise ValueError(f"{name}: expected g (N, ...) of at least one sample, got shape {g.shape}")
    if norms is not None and (norms.shape != g.shape[:1] or norms.dtype != g.dtype):
        raise ValueError(f"{name}: norms has {norms.shape} {norms.dtype}, but g asks for {g.shape[:1]} {g.dtype}")
