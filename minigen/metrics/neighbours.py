"""Precision and recall, density and coverage of generated samples; distances to the nearest training images.

The support of a distribution is estimated by balls around its samples, with the distance to the k-th nearest neighbour
as radius. All distances are Euclidean, in float64, computed in blocks of rows.

Imports: NumPy. Read next: ``modes.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array

BLOCK = 1000  # rows of a matrix of distances at a time


@dataclass(frozen=True)
class PRDC:
    """The values of each sample; the metrics are their means.

    `precision` (M,): whether the generated sample is in the support of the real ones. `recall` (N,): whether the real
    sample is in the support of the generated ones. (Kynkaanniemi et al. 2019, arXiv:1904.06991.) `density` (M,): the
    number of real balls that contain the generated sample, divided by k; 1 on average for perfect samples, and it may
    exceed 1. `coverage` (N,): whether the real ball contains a generated sample. (Naeem et al. 2020, arXiv:2002.09797:
    unlike precision and recall these two are robust to outliers.)
    """

    precision: Array
    recall: Array
    density: Array
    coverage: Array


def prdc(real: Array, fake: Array, *, k: int = 3, k_density: int = 5) -> PRDC:
    """Compare features real (N, D) and fake (M, D); `k` for precision and recall, `k_density` for the other two.

    The defaults are those of the papers. ValueError if a set has no k-th neighbour: more than k samples are needed.
    """
    _check("prdc", real, fake)
    if k < 1 or k_density < 1:
        raise ValueError(f"prdc: k and k_density must be at least 1, got {k} and {k_density}")
    most = max(k, k_density)
    if min(len(real), len(fake)) <= most:
        raise ValueError(
            f"prdc: {len(real)} real and {len(fake)} generated samples are too few; "
            f"at least {most + 1} of each are needed"
        )
    real, fake = _centred(real, fake)
    near, dense = _radii(real, (k, k_density))
    (wide,) = _radii(fake, (k,))
    precision, density = np.zeros(len(fake), bool), np.zeros(len(fake))
    recall, coverage = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, distances in _distances(fake, real):
        precision[rows] = (distances <= near).any(1)
        inside = distances <= dense
        density[rows] = inside.sum(1) / k_density
        coverage |= inside.any(0)
        recall |= (distances <= wide[rows, None]).any(0)
    return PRDC(precision.astype(float), recall.astype(float), density, coverage.astype(float))


def nearest_distances(x: Array, known: Array) -> Array:
    """The distance (N,) of each row of x (N, D) to the nearest row of `known` (M, D), divided by sqrt(D).

    For images it is the root mean square difference of pixels. Samples that are much nearer to training images than
    test images are have been memorised. `known` may be large: it is processed in blocks.
    """
    if x.ndim != 2 or known.ndim != 2 or x.shape[1] != known.shape[1] or 0 in (*x.shape, *known.shape):
        raise ValueError(f"nearest_distances: expected (N, D) and (M, D), none empty, got {x.shape} and {known.shape}")
    nearest = np.full(len(x), np.inf)
    for start in range(0, len(known), BLOCK):
        some = known[start : start + BLOCK]
        _check("nearest_distances", x, some)
        for rows, distances in _distances(*_centred(x, some)):
            nearest[rows] = np.minimum(nearest[rows], distances.min(1))
    return np.sqrt(nearest / x.shape[1])


def _radii(x: Array, ks: tuple[int, ...]) -> list[Array]:
    """For each k the squared distances (N,) to the k-th nearest other row of x (N, D)."""
    radii = np.empty((len(ks), len(x)))
    for rows, distances in _distances(x, x):
        nearest = np.partition(distances, ks, axis=1)  # index 0 is the row itself
        radii[:, rows] = nearest[:, ks].T
    return list(radii)


def _distances(x: Array, y: Array) -> Iterator[tuple[slice, Array]]:
    """Blocks of rows of x (N, D), each with the squared distances (B, M) of its B rows to all of y (M, D).

    |x|^2 + |y|^2 - 2 x y has rounding errors below 1e-12 of the squares; smaller results are set to 0.
    """
    square_x, square_y = np.square(x).sum(1), np.square(y).sum(1)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        distances = x[rows] @ y.T
        distances *= -2
        distances += square_x[rows, None]
        distances += square_y
        distances[distances < 1e-12 * (square_x[rows].max(initial=0) + square_y.max(initial=0))] = 0
        yield rows, distances


def _centred(x: Array, y: Array) -> tuple[Array, Array]:
    """Both in float64, minus the mean of y, so that the squares are small."""
    centre = y.mean(0, dtype=np.float64)
    return x - centre, y - centre


def _check(name: str, x: Array, y: Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or 0 in (*x.shape, *y.shape):
        raise ValueError(f"{name}: expected features (N, D) and (M, D), none empty, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"{name}: the features hold NaN or infinity; the network that made them has diverged")
