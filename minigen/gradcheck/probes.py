"""Along what a tensor is moved: each of its elements in turn, or random directions when there are too many.

A probe is an array of the tensor's size: how far each element goes at step t = 1. Steps are relative, so that 1e-3 and
1e3 in one tensor are both moved by a sensible amount.

Imports: NumPy. Read next: ``check.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen_kernels import Array


def root_mean_square(x: Array) -> float:
    """The typical size of the numbers in x, also where their squares would overflow or underflow; 0 of nothing."""
    largest = float(np.abs(x).max(initial=0.0))
    return largest * float(np.sqrt(np.mean((x / largest) ** 2))) if 0 < largest < np.inf else largest


def _sizes(x: Array, least: float) -> Array:
    """|x|, but at least `least` times the root mean square of x, and 1 where all of x is zero."""
    typical = root_mean_square(x)
    return np.maximum(np.abs(x.ravel()), least * typical) if typical else np.ones(x.size)


class Elements:
    """One probe for each element: the whole Jacobian, and every mismatch has a place."""

    def __init__(self, x: Array) -> None:
        self.unit = _sizes(x, 1e-2)
        self.count = x.size
        self.text = f"{x.size} element{'s' if x.size != 1 else ''}"

    def direction(self, j: int) -> Array:
        """The probe number j."""
        d = np.zeros(self.count)
        d[j] = self.unit[j]
        return d

    def project(self, gradients: Array) -> Array:
        """Gradients (K, size) to derivatives along the probes (K, P)."""
        return gradients * self.unit

    def spread(self, errors: Array) -> Array:
        """Independent errors of gradients (K, size) to those of derivatives along the probes (K, P)."""
        return errors * self.unit


class Directions:
    """`count` random directions through all elements: each is moved by `least` of the typical element or more."""

    def __init__(self, x: Array, count: int, rng: np.random.Generator, least: float = 0.3) -> None:
        signs = rng.choice([-1.0, 1.0], (count, x.size))
        self._directions = signs * rng.uniform(0.5, 1.5, (count, x.size)) * _sizes(x, least)
        self.unit = np.ones(count)
        self.count = count
        self.text = f"{count} directions"

    def direction(self, j: int) -> Array:
        """The probe number j."""
        return self._directions[j]

    def project(self, gradients: Array) -> Array:
        """Gradients (K, size) to derivatives along the probes (K, P)."""
        return gradients @ self._directions.T

    def spread(self, errors: Array) -> Array:
        """Independent errors of gradients (K, size) to those of derivatives along the probes (K, P)."""
        return np.sqrt(errors**2 @ self._directions.T**2)


def locate(direction: Array, badness: Callable[[Array], float]) -> int:
    """The element that is to blame: halve the direction again and again, keep the worse half."""
    low, high = 0, direction.size
    while high - low > 1:
        middle = (low + high) // 2
        halves = [np.zeros_like(direction), np.zeros_like(direction)]
        halves[0][low:middle], halves[1][middle:high] = direction[low:middle], direction[middle:high]
        low, high = (low, middle) if badness(halves[0]) >= badness(halves[1]) else (middle, high)
    return low
