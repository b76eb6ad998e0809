"""Statistics of the scores of a GAN's discriminator, in NumPy.

Imports: NumPy, elementwise. Read next: ``optim.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.elementwise import sigmoid


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Four numbers (4,) of the scores of real images (N,) and of fake ones (M,), each at least one.

    The means of real and of fake, of the scores, or for `logits` of the probabilities sigmoid(score); their difference;
    and the accuracy, the mean of the share of real above the threshold and that of fake at most there.
    """
    check_scores(real, fake)
    accuracy = ((real > threshold).mean() + (fake <= threshold).mean()) / 2
    r, f = (x.mean(dtype=np.float64) for x in ((sigmoid(real), sigmoid(fake)) if logits else (real, fake)))
    return np.array([r, f, r - f, accuracy], real.dtype)


def check_scores(real: Array, fake: Array) -> None:
    """Raise ValueError unless both are vectors, not empty, of one dtype."""
    if real.ndim != 1 or fake.ndim != 1 or not real.size or not fake.size or real.dtype != fake.dtype:
        raise ValueError(
            f"score_statistics: expected scores real (N,) and fake (M,), N and M at least 1, of one dtype, got "
            f"{real.shape} {real.dtype} and {fake.shape} {fake.dtype}"
        )
