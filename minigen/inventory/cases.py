"""Items and cases of the inventory, and random numbers at which operations have a derivative.

The numbers are away from kinks and ties and inside the domain. Each function of a generator and a shape draws an array;
the rows of ``tests/ops/op_table.py`` use them too.

Imports: random. Read next: ``operations.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minigen.random import Generator
from minigen_kernels import Array

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], Array]
Inputs = Callable[[np.random.Generator], tuple[Any, ...]]
#: From a generator to what `gradcheck` is given: a function or Module, and its inputs.
Case = Callable[[np.random.Generator], tuple[Callable[..., Any], tuple[Any, ...]]]


@dataclass(frozen=True)
class Item:
    """A public name, "ops.relu", and the cases that are checked of it."""

    name: str
    cases: tuple[Case, ...]


def arrays(draw: Draw, *shapes: Shape) -> Inputs:
    """Inputs: one array for each shape."""
    return lambda rng: tuple(draw(rng, shape) for shape in shapes)


def case(fn: Callable[..., Any], inputs: Inputs, **options: Any) -> Case:
    """The case of a function, with `inputs` and static `options`."""
    return lambda rng: (partial(fn, **options) if options else fn, inputs(rng))


def layer(make: Callable[[Generator], Any], inputs: Inputs) -> Case:
    """The case of a layer, which `make` builds with a generator for its initial weights."""
    return lambda rng: (make(Generator(int(rng.integers(2**32)))), inputs(rng))


def normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Standard normal numbers, for what is smooth everywhere."""
    return np.asarray(rng.normal(size=shape))


def positive(rng: np.random.Generator, shape: Shape) -> Array:
    """From 0.3 to 3."""
    return np.asarray(rng.uniform(0.3, 3, shape))


def probability(rng: np.random.Generator, shape: Shape) -> Array:
    """From 0.05 to 0.7, for logarithms of p and 1 - p: the checker moves a number by up to a third of itself."""
    return np.asarray(rng.uniform(0.05, 0.7, shape))


def normal_away_from(*kinks: float) -> Draw:
    """Normal numbers, none within 2e-2 of a kink."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        x = normal(rng, shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 2e-2, kink + np.copysign(2e-2, x - kink), x)
        return x

    return draw


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """No two within 0.3 of each other, positive and negative, for maxima, sorting and divisions by the variance."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) - 0.5 * n + 0.25) * 0.5 + rng.uniform(-0.1, 0.1, n)
    return x.reshape(shape)


def distinct_sizes(rng: np.random.Generator, shape: Shape) -> Array:
    """No two absolute values within 0.1 of each other, none below 0.1."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) + 1) * 0.25 + rng.uniform(-0.05, 0.05, n)
    return np.asarray(x * rng.choice([-1, 1], n)).reshape(shape)
