"""Are samples good, and are they all kinds? Precision and recall, density and coverage; and are they copies?

Each set of features spans a region: the balls around its points that reach to the k-th nearest of the others. All
distances are Euclidean, in float64, computed in blocks of rows.

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
    """What each sample says; the metric is the mean.

    `precision` (M,): does the generated sample lie in the real region? `recall` (N,): does the real one lie in the
    generated region? (Kynkaanniemi et al. 2019, arXiv:1904.06991.) `density` (M,): in how many balls around real
    samples does the generated one lie, divided by k: 1 on average for perfect samples, and it may exceed 1. `coverage`
    (N,): is there a generated sample in the ball around the real one? (Naeem et al. 2020, arXiv:2002.09797: unlike
    recall and precision these two do not trust the balls around outliers.)
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

    Of images it is the root of the mean squared difference of pixels to the most similar image. Samples that are much
    nearer to training images than test images are were learnt by heart. `known` may be large: it is seen in blocks.
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
        nearest = np.partition(distances, ks, axis=1)  # the nearest of all is the row itself, so k counts from it
        radii[:, rows] = nearest[:, ks].T
    return list(radii)


def _distances(x: Array, y: Array) -> Iterator[tuple[slice, Array]]:
    """Squared distances (B, M) of B rows of x (N, D) to all of y (M, D), and which rows.

    |x|^2 + |y|^2 - 2 x y loses what is below 1e-12 of the squares; it counts as 0, so that equal rows are equal.
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
    """Both in float64, moved so that the squares of the numbers stay small."""
    centre = y.mean(0, dtype=np.float64)
    return x - centre, y - centre


def _check(name: str, x: Array, y: Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or 0 in (*x.shape, *y.shape):
        raise ValueError(f"{name}: expected features (N, D) and (M, D), none empty, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"{name}: the features hold NaN or infinity; the network that made them has diverged")
