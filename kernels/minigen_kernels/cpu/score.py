"""Statistics of the scores of a GAN's discriminator on the CPU.

Imports: NumPy, elementwise, reduce; the check of arguments from ``reference``. Read next: ``norm.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.elementwise import sigmoid
from minigen_kernels.cpu.reduce import sum_axes
from minigen_kernels.reference.score import check_scores


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Means of real (N,) and fake (M,) scores or probabilities, their difference, and the accuracy: (4,)."""
    check_scores(real, fake)
    accuracy = ((real > threshold).mean() + (fake <= threshold).mean()) * 0.5
    shares = (sigmoid(real), sigmoid(fake)) if logits else (real, fake)
    r, f = (sum_axes(x, (0,), 1 / x.size) for x in shares)
    return np.array([r, f, r - f, accuracy], real.dtype)
