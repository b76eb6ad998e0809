"""Directions of the directional derivatives: each coordinate of a tensor, or random directions for a large tensor.

A direction d is an array of the tensor's size: x moves to x + t d. It is scaled by the size of the elements, so that
1e-3 and 1e3 in one tensor are both moved by a sensible amount.

Imports: NumPy. Read next: ``tensor_check.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen_kernels import Array


def root_mean_square(x: Array) -> float:
    """The root mean square of x, also where squares would overflow or underflow; 0 if x has no elements."""
    largest = float(np.abs(x).max(initial=0.0))
    return largest * float(np.sqrt(np.mean((x / largest) ** 2))) if 0 < largest < np.inf else largest


def _scales(x: Array, least: float) -> Array:
    """|x|, but at least `least` times the root mean square of x, and 1 where all of x is zero."""
    rms = root_mean_square(x)
    return np.maximum(np.abs(x.ravel()), least * rms) if rms else np.ones(x.size)


class Coordinates:
    """One direction for each element: the whole Jacobian, so that every mismatch has an index."""

    def __init__(self, x: Array) -> None:
        self.scales = _scales(x, 1e-2)
        self.count = x.size
        self.text = f"{x.size} element{'s' if x.size != 1 else ''}"

    def direction(self, j: int) -> Array:
        """Direction number j, (size,)."""
        d = np.zeros(self.count)
        d[j] = self.scales[j]
        return d

    def project(self, gradients: Array) -> Array:
        """Gradients (K, size) to derivatives along the directions (K, P)."""
        return gradients * self.scales

    def project_errors(self, errors: Array) -> Array:
        """Independent errors of gradients (K, size) to those of derivatives along the directions (K, P)."""
        return errors * self.scales


class RandomDirections:
    """`count` random directions that move all elements, each by at least `least` of the root mean square."""

    def __init__(self, x: Array, count: int, rng: np.random.Generator, least: float = 0.3) -> None:
        signs = rng.choice([-1.0, 1.0], (count, x.size))
        self._directions = signs * rng.uniform(0.5, 1.5, (count, x.size)) * _scales(x, least)
        self.scales = np.ones(count)
        self.count = count
        self.text = f"{count} directions"

    def direction(self, j: int) -> Array:
        """Direction number j, (size,)."""
        return self._directions[j]

    def project(self, gradients: Array) -> Array:
        """Gradients (K, size) to derivatives along the directions (K, P)."""
        return gradients @ self._directions.T

    def project_errors(self, errors: Array) -> Array:
        """Independent errors of gradients (K, size) to those of derivatives along the directions (K, P)."""
        return np.sqrt(errors**2 @ self._directions.T**2)


def locate(direction: Array, severity: Callable[[Array], float]) -> int:
    """The element with the largest `severity`, by bisection: halve the direction, keep the worse half, repeat."""
    low, high = 0, direction.size
    while high - low > 1:
        middle = (low + high) // 2
        halves = [np.zeros_like(direction), np.zeros_like(direction)]
        halves[0][low:middle], halves[1][middle:high] = direction[low:middle], direction[middle:high]
        low, high = (low, middle) if severity(halves[0]) >= severity(halves[1]) else (middle, high)
    return low
