"""Of the scores of a GAN's discriminator in CUDA: statistics, a critic's loss and the penalty on its slope.

Imports: NumPy, ``launch.py``; the checks of arguments from ``reference``. Read next: ``score.cu``, ``norm.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.launch import MOST_BLOCKS, THREADS, blocks_for, contiguous, empty, launch
from minigen_kernels.reference.score import SMALLEST_SQUARE, check_samples, check_scores


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Means of real (N,) and fake (M,) scores or probabilities, their difference, and the accuracy: (4,)."""
    check_scores("score_statistics", real=real, fake=fake)
    out = empty((4,), real.dtype)
    operands = contiguous(real), contiguous(fake), out, real.size, fake.size, threshold, logits
    launch("score.cu", "score_statistics_kernel", 1, THREADS, *operands)
    return out


def mean_difference(a: Array, b: Array) -> Array:
    """The mean of a (N,) less that of b (M,): shape ()."""
    check_scores("mean_difference", a=a, b=b)
    out = empty((), a.dtype)
    launch("score.cu", "mean_difference_kernel", 1, THREADS, contiguous(a), contiguous(b), out, a.size, b.size)
    return out


def mean_difference_backward(gy: Array, n: int, m: int) -> tuple[Array, Array]:
    """Gradients of `mean_difference`: n times gy / n, and m times -gy / m."""
    ga, gb = empty((n,), gy.dtype), empty((m,), gy.dtype)
    launch("score.cu", "mean_difference_backward_kernel", blocks_for(max(n, m)), THREADS, gy, ga, gb, n, m)
    return ga, gb


def unit_norm_penalty(g: Array) -> tuple[Array, Array]:
    """How far the norms of samples are from 1: g (N, ...) -> the mean of (norm_n - 1)^2, (), and the norms (N,)."""
    check_samples("unit_norm_penalty", g)
    N = len(g)
    norms, out = empty((N,), g.dtype), empty((), g.dtype)
    operands = contiguous(g), norms, N, g.size // N, SMALLEST_SQUARE
    launch("score.cu", "norms_kernel", min(N, MOST_BLOCKS), THREADS, *operands)
    launch("score.cu", "unit_norm_penalty_kernel", 1, THREADS, norms, out, N)
    return out, norms


def unit_norm_penalty_backward(gy: Array, g: Array, norms: Array) -> Array:
    """Gradient of `unit_norm_penalty`: gg_n = gy 2 / N (norm_n - 1) / norm_n g_n."""
    check_samples("unit_norm_penalty_backward", g, norms)
    N = len(g)
    gg = empty(g.shape, g.dtype)
    operands = gy, contiguous(g), contiguous(norms), gg, N, g.size // N
    launch("score.cu", "unit_norm_penalty_backward_kernel", blocks_for(g.size), THREADS, *operands)
    return gg
