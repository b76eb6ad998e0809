"""The Frechet distance of two sets of features, as in FID: that of Gaussians fitted to them.

All in float64. The distance is biased upwards, more for fewer samples: it is above 0 for two sets from the same
distribution. Hence the minimum number of samples, the extrapolation to infinitely many, and, in the report, the
distance between two halves of the test images for comparison.

Imports: NumPy. Read next: ``neighbours.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array

SIZES = 15  # sample counts for the extrapolation
GROUPS = 10  # of the jackknife


@dataclass(frozen=True)
class Gaussian:
    """The mean (D,) and covariance (D, D) of `count` features, in float64."""

    count: int
    mean: Array
    cov: Array


def fit_gaussian(features: Array) -> Gaussian:
    """Mean and covariance (divided by N - 1) of features (N, D); at least 2, finite."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"fit_gaussian: expected features (N, D) with N of at least 2, got {features.shape}")
    x = features.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("fit_gaussian: the features hold NaN or infinity; the network that made the images diverged")
    mean = x.mean(0)
    x -= mean
    return Gaussian(len(x), mean, x.T @ x / (len(x) - 1))


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2) (Dowson and Landau 1982; squared Wasserstein-2).

    Only roots of symmetric matrices are taken, so they are real, and singular covariances are allowed.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"gaussian_distance: features of {a.mean.shape} and {b.mean.shape}; expected one size")
    values, vectors = np.linalg.eigh(a.cov)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = root @ b.cov @ root
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh((product + product.T) / 2), 0)).sum()
    distance = np.square(a.mean - b.mean).sum() + np.trace(a.cov) + np.trace(b.cov) - 2 * cross
    return float(max(distance, 0.0))  # rounding may leave 1e-15 below 0


def min_samples(dimension: int) -> int:
    """The minimum number of samples for `frechet_distance`: twice the dimension of the features.

    With no more samples than dimensions the covariance is singular: it has variance 0 in some directions.
    """
    return 2 * dimension


def frechet_distance(x: Array, y: Array) -> float:
    """The squared Frechet distance of features x (N, D) and y (M, D). ValueError, with the number, for too few."""
    return gaussian_distance(*(_fit_if_enough("frechet_distance", z, min_samples(z.shape[-1])) for z in (x, y)))


def extrapolated_frechet_distance(x: Array, y: Array) -> float:
    """The distance for infinitely many samples x: the intercept of a linear fit of the distance over 1/N.

    The fit uses the first n of x for 15 values of n from N/5 to N (FID-infinity, Chong and Forsyth 2020,
    arXiv:1911.07023). y is not extrapolated, so its bias remains. ValueError for fewer than 10 D samples x.
    """
    reference = _fit_if_enough("extrapolated_frechet_distance", y, min_samples(y.shape[-1]))
    _fit_if_enough("extrapolated_frechet_distance", x, 5 * min_samples(x.shape[-1]))
    counts = np.linspace(len(x) / 5, len(x), SIZES).astype(int)
    distances = [gaussian_distance(fit_gaussian(x[:count]), reference) for count in counts]
    return float(np.polyfit(1 / counts, distances, 1)[1])


def jackknife_error(statistic: Callable[[Array], float], x: Array) -> float:
    """The standard error of statistic(x) over the draw of x (N, ...), which must come in random order.

    The statistic is computed ten times, each time without another tenth of x (the delete-d jackknife; Efron and
    Tibshirani 1993, chapter 11). It estimates the variation over new samples, not the bias.
    """
    if len(x) < GROUPS:
        raise ValueError(f"jackknife_error: expected at least {GROUPS} samples, got {len(x)}")
    group = np.arange(len(x)) * GROUPS // len(x)
    values = np.array([statistic(x[group != k]) for k in range(GROUPS)])
    return float(np.sqrt((GROUPS - 1) / GROUPS * np.square(values - values.mean()).sum()))


def _fit_if_enough(name: str, features: Array, wanted: int) -> Gaussian:
    if features.ndim != 2:
        raise ValueError(f"{name}: expected features (N, D), got {features.shape}")
    if len(features) < wanted:
        raise ValueError(
            f"{name}: {len(features)} samples are too few for {features.shape[1]} features; "
            f"at least {wanted} are needed"
        )
    return fit_gaussian(features)
