"""Codes as a person looks at them: in a plane, by how much each dimension does, within the range that they keep to.

Imports: NumPy. Read next: ``payload.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array

ROWS = 500  # codes of many dimensions that the principal components are found from


@dataclass(frozen=True)
class Plane:
    """The plane of the two principal components: a code is mean + u components[0] + v components[1] + a rest.

    `mean` (D,), `components` (2, D) of length 1, `explained` (2,): their shares of the variance.
    """

    mean: Array
    components: Array
    explained: Array


def principal_plane(codes: Array) -> Plane | None:
    """The principal plane of codes (N, D); None where there is none: below two dimensions, or all codes the same.

    Of each component the largest number is positive, so that the plane is not mirrored by chance. With more than 512
    dimensions `ROWS` of the codes are looked at, evenly spaced.
    """
    n, size = codes.shape
    mean = codes.mean(0, dtype=np.float64)
    some = codes if size <= 512 else codes[np.unique(np.linspace(0, n - 1, ROWS).astype(int))]
    _, lengths, axes = np.linalg.svd(some.astype(np.float64) - mean, full_matrices=False)
    if len(axes) < 2 or not lengths[0] > 0:
        return None
    components = axes[:2]
    largest = np.abs(components).argmax(1)
    components = components * np.sign(components[[0, 1], largest])[:, None]
    return Plane(mean, components, (lengths**2 / np.square(lengths).sum())[:2])


def spread_of(codes: Array) -> dict[str, Array]:
    """Of codes (N, D), each (D,): "mean", "std", and "low" and "high", between which 99 of 100 codes lie."""
    x = codes.astype(np.float64)
    low, high = np.quantile(x, (0.005, 0.995), axis=0)
    return {"mean": x.mean(0), "std": x.std(0), "low": low, "high": high}


def most_active(std: Array, kl: Array | None) -> tuple[Array, str]:
    """The dimensions (D,) of a code, the most active first, and by what: "kl", nats per image, or "variance".

    A dimension whose divergence from the prior is 0 tells nothing about the image (Burda et al. 2016,
    arXiv:1509.00519, count active units by the variance of the mean).
    """
    by, values = ("variance", std) if kl is None else ("kl", kl)
    return np.argsort(-values, kind="stable"), by
