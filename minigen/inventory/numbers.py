"""Numbers at which an operation has a derivative: away from kinks, away from ties, inside the domain.

Each function draws an array of a shape. The inventory uses them, and so do the rows of ``tests/ops/op_table.py``.

Imports: NumPy. Read next: ``item.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen_kernels import Array

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], Array]


def normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Smooth everywhere: any number will do."""
    return np.asarray(rng.normal(size=shape))


def positive(rng: np.random.Generator, shape: Shape) -> Array:
    """From 0.3 to 3."""
    return np.asarray(rng.uniform(0.3, 3, shape))


def probability(rng: np.random.Generator, shape: Shape) -> Array:
    """From 0.05 to 0.7: at 0 and 1 logarithms end, and the checker moves a number by up to a third of itself."""
    return np.asarray(rng.uniform(0.05, 0.7, shape))


def off(*kinks: float) -> Draw:
    """Normal numbers, none within 2e-2 of a kink."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        x = normal(rng, shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 2e-2, kink + np.copysign(2e-2, x - kink), x)
        return x

    return draw


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """No two within 0.3 of each other, positive and negative: the largest, the smallest and the spread are clear."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) - 0.5 * n + 0.25) * 0.5 + rng.uniform(-0.1, 0.1, n)
    return x.reshape(shape)


def distinct_sizes(rng: np.random.Generator, shape: Shape) -> Array:
    """No two absolute values within 0.1 of each other, none below 0.1."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) + 1) * 0.25 + rng.uniform(-0.05, 0.05, n)
    return np.asarray(x * rng.choice([-1, 1], n)).reshape(shape)
