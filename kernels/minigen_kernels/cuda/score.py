"""Statistics of the scores of a GAN's discriminator in CUDA.

Imports: ``launch.py``; the check of arguments from ``reference``. Read next: ``score.cu``, ``norm.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, contiguous, empty, launch
from minigen_kernels.reference.score import check_scores


def score_statistics(real: Array, fake: Array, threshold: float, logits: bool) -> Array:
    """Means of real (N,) and fake (M,) scores or probabilities, their difference, and the accuracy: (4,)."""
    check_scores(real, fake)
    out = empty((4,), real.dtype)
    operands = contiguous(real), contiguous(fake), out, real.size, fake.size, threshold, logits
    launch("score.cu", "score_statistics_kernel", 1, THREADS, *operands)
    return out
