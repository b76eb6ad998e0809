"""Mode coverage: which of the known modes a generator reaches, and how often.

For points of the plane (``data/toys.py``) a mode is a Gaussian; for images it is a class, found by a classifier.

Imports: NumPy. Read next: ``disentanglement.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array


@dataclass(frozen=True)
class ModeCoverage:
    """Metrics of samples for a mixture of known Gaussians.

    `modes`: the number of modes with a sample within 3 sigma. `high_quality`: the share of samples within 3 sigma of a
    mode. `reverse_kl`: KL(samples || truth) over the modes in nats, each sample assigned to the nearest mode; 0 is
    best, and log(number of modes) is the value for samples of a single mode.
    """

    modes: int
    high_quality: float
    reverse_kl: float


def mode_coverage(points: Array, centres: Array, sigma: float) -> ModeCoverage:
    """Coverage by points (N, D) of modes with centres (M, D), equal weights and standard deviation `sigma`.

    Srivastava et al. 2017, VEEGAN, arXiv:1705.07761 (3 sigma, Euclidean distance); the divergence as in Lin et al.
    2018, PacGAN, arXiv:1712.04086. ValueError for shapes that do not fit, no points, or points that are not finite.
    """
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1] or not len(points):
        raise ValueError(
            f"mode_coverage: expected at least one point (N, D) and centres (M, D), "
            f"got {points.shape} and {centres.shape}"
        )
    if not np.isfinite(points).all():
        raise ValueError("mode_coverage: the points hold NaN or infinity; the generator has diverged")
    squares = np.square(points.astype(np.float64)[:, None] - centres).sum(2)
    nearest = squares.argmin(1)
    good = np.sqrt(squares.min(1)) <= 3 * sigma
    counts = np.bincount(nearest, minlength=len(centres))
    return ModeCoverage(
        modes=len(np.unique(nearest[good])),
        high_quality=float(good.mean()),
        reverse_kl=reverse_kl(counts, np.ones(len(centres))),
    )


def reverse_kl(counts: Array, truth: Array) -> float:
    """KL(p || q) in nats of two histograms (M,), p made of `counts`, q of `truth`.

    Infinite if there are samples of a class with a count of 0 in `truth`. ValueError for a histogram without samples.
    """
    if counts.shape != truth.shape or counts.ndim != 1:
        raise ValueError(f"reverse_kl: expected two histograms (M,), got {counts.shape} and {truth.shape}")
    if min(counts.sum(), truth.sum()) <= 0:
        raise ValueError("reverse_kl: a histogram is empty; at least one sample is needed in each")
    p, q = counts / counts.sum(), truth / truth.sum()
    here = p > 0
    with np.errstate(divide="ignore"):
        return float(max((p[here] * np.log(p[here] / q[here])).sum(), 0.0))


def entropy_score(probabilities: Array) -> float:
    """exp(mean KL(p(y|x) || p(y))) for the probabilities (N, classes) of a classifier: from 1 to the number of classes.

    High if the classifier is certain of each image and all classes are equally frequent. The "Inception score" of
    Salimans et al. 2016 (arXiv:1606.03498) with another classifier: the numbers are not comparable with Inception's.
    """
    if probabilities.ndim != 2 or not len(probabilities):
        raise ValueError(f"entropy_score: expected at least one row (N, classes), got {probabilities.shape}")
    p = np.maximum(probabilities.astype(np.float64), 1e-30)  # p log p is 0 there
    marginal = p.mean(0)
    return float(np.exp((p * (np.log(p) - np.log(marginal))).sum(1).mean()))
