"""Directions in the space of codes along which one generative factor of the data changes: sliders that follow a factor.

Imports: NumPy. Read next: ``extra.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array

FEWEST = 100  # images, below which no directions are fitted


@dataclass(frozen=True)
class Direction:
    """How codes and one factor go together. The factor of a code z (D,) is about ``weights . z + bias``.

    Along `direction` (D,), which raises that estimate by 1, the codes of images move on average when the factor alone
    grows by 1 (up to its length). `low` and `high` are the factor's ends in the data; `r2` is the share of the factor's
    variance that the estimate explains, in images that it was not fitted to.
    """

    name: str
    low: float
    high: float
    weights: Array
    bias: float
    direction: Array
    r2: float


def factor_directions(codes: Array, factors: Mapping[str, Array]) -> list[Direction]:
    """The directions of real-valued factors, those that the codes tell most of first.

    `codes` (N, D), each factor (N,). Whole numbers, such as a class or a font, have no direction and count as groups.
    Both regressions are linear, by least squares: of the factor on codes (of every other image, for `r2`), and of codes
    on all factors and groups together. A factor of which codes tell nothing (`r2` of 0.05 or less) is left out.
    """
    z = codes.astype(np.float64)
    real = {name: f.astype(np.float64) for name, f in factors.items() if f.dtype.kind == "f"}
    real = {name: f for name, f in real.items() if np.isfinite(f).all() and np.ptp(f) > 0}
    if len(z) < FEWEST or not real or not np.ptp(z, axis=0).any():
        return []
    groups = [f for f in factors.values() if f.dtype.kind in "iu"]
    columns = [f - f.mean() for f in real.values()] + [(f == k) * 1.0 for f in groups for k in np.unique(f)[1:]]
    changes = _least_squares(np.stack(columns, 1), z)[1:]
    found = []
    for i, (name, f) in enumerate(real.items()):
        even = _least_squares(z[::2], f[::2])
        rest = f[1::2] - (z[1::2] @ even[1:] + even[0])
        r2 = 1 - float(rest.var() / f[1::2].var())
        fitted = _least_squares(z, f)
        rise = float(fitted[1:] @ changes[i])
        if r2 > 0.05 and rise > 0:
            ends = float(f.min()), float(f.max())
            found.append(Direction(name, *ends, fitted[1:], float(fitted[0]), changes[i] / rise, r2))
    return sorted(found, key=lambda one: -one.r2)


def _least_squares(x: Array, y: Array) -> Array:
    """Coefficients of y (N, ...) on 1 and x (N, K): (1 + K, ...); the shortest ones, where several are as good."""
    solution: Array = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=1e-6)[0]
    return solution
