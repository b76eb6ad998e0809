"""What a row of wrong arguments is, and Tensors to make rows of.

Read next: ``wrong_argument_rows.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigen as mg
from minigen.autograd import Tensor

WINDOW = {"kernel_size": 2, "stride": 1, "padding": 0}


@dataclass(frozen=True)
class Row:
    """A public name, something that calls it, and its arguments by name: `make` gives fresh ones."""

    name: str
    call: Callable[..., Any]
    make: Callable[[], dict[str, Any]]
    inner: str = ""  # what it is made of, where an error may name that: the layer in a Sequential

    @property
    def names(self) -> tuple[str, ...]:
        """The names that an error may begin with: "save" for "mg.save (an entry)"."""
        own = self.name.partition(" ")[0].rpartition(".")[2]
        return (own, self.inner) if self.inner else (own,)


def t(*shape: int) -> Tensor:
    """Different numbers between 0.1 and 0.9, with a gradient to be asked for."""
    return Tensor(np.linspace(0.1, 0.9, int(np.prod(shape)), dtype=np.float32).reshape(shape), requires_grad=True)


def whole(*shape: int) -> Tensor:
    """Whole numbers 0, 1, 0, 1, ..."""
    return Tensor(np.arange(int(np.prod(shape))).reshape(shape) % 2)


def rng() -> mg.Generator:
    return mg.Generator(0)
