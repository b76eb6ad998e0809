"""What an item of the inventory is, and how its cases are written down.

Imports: numbers. Read next: ``operations.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minigen.inventory.numbers import Draw, Shape
from minigen.random import Generator

#: What `gradcheck` is given: a function or Module, and its inputs.
Check = tuple[Callable[..., Any], tuple[Any, ...]]
Case = Callable[[np.random.Generator], Check]


@dataclass(frozen=True)
class Item:
    """A public name, "ops.relu", and the cases that are checked of it."""

    name: str
    cases: tuple[Case, ...]


def at(draw: Draw, *shapes: Shape) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Inputs: one array for each shape."""
    return lambda rng: tuple(draw(rng, shape) for shape in shapes)


def calling(fn: Callable[..., Any], inputs: Callable[[np.random.Generator], tuple[Any, ...]], **options: Any) -> Case:
    """The case of a function, of `inputs` and static `options`."""
    return lambda rng: (partial(fn, **options) if options else fn, inputs(rng))


def layer(make: Callable[[Generator], Any], inputs: Callable[[np.random.Generator], tuple[Any, ...]]) -> Case:
    """The case of a layer, which `make` builds with a generator for its first weights."""
    return lambda rng: (make(Generator(int(rng.integers(2**32)))), inputs(rng))
