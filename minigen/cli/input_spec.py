"""The specification of an input, as ``--input`` gives it: a shape and a kind of random numbers.

Imports: training.config (for its messages). Read next: ``inputs.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from minigen.algorithms.options import ConfigError
from minigen_kernels import Array

Shape = tuple[int, ...]
Kind = Literal["normal", "int", "float"]


@dataclass(frozen=True)
class InputSpec:
    """An input to be drawn: normal numbers, or numbers from `low` up to `high` (for "int" without `high` itself)."""

    shape: Shape
    kind: Kind = "normal"
    low: float = 0.0
    high: float = 1.0
    user_range: bool = False  # the user has given the range

    def numbers(self, rng: np.random.Generator) -> Array:
        """The array."""
        if self.kind == "int":
            return np.asarray(rng.integers(int(self.low), int(self.high), self.shape))
        if self.kind == "float":
            return np.asarray(rng.uniform(self.low, self.high, self.shape))
        return np.asarray(rng.normal(size=self.shape))

    def positive(self) -> InputSpec:
        """Numbers from 0.5 to 1.5 instead of normal ones."""
        return replace(self, kind="float", low=0.5, high=1.5) if self.kind == "normal" else self

    def __str__(self) -> str:
        ends = f" of {self.kind} from {self.low:g} to {self.high:g}"
        return f"{self.shape}{'' if self.kind == 'normal' else ends}"


def parse_input(text: str) -> InputSpec:
    """An input as it is written: "2,3,8,8", "()" for one number, "int:0,6:2,3" or "float:0,1:2,3".

    ConfigError for anything else.
    """
    found = re.fullmatch(r"\s*(?:(int|float)\s*:\s*([^:,]+),([^:,]+):)?\s*(\(\s*\)|\(?[\d\s,]*\d[\d\s,]*\)?)\s*", text)
    if found is None:
        raise _refused(text)
    kind, low, high, shape = found.groups()
    kinds: dict[str, Kind] = {"int": "int", "float": "float"}
    lengths = shape.strip().strip("()").strip().removesuffix(",")
    if lengths and not re.fullmatch(r"\d+(\s*,\s*\d+)*", lengths.strip()):
        raise _refused(text)
    sizes = tuple(int(n) for n in lengths.split(",")) if lengths else ()
    if kind is None:
        return InputSpec(sizes)
    try:
        ends = (int(low), int(high)) if kind == "int" else (float(low), float(high))
    except ValueError as error:
        raise _refused(text) from error
    if not -(2**62) < ends[0] < ends[1] < 2**62:
        raise ConfigError(f"--input: {text!r}: the range is {low} to {high}; the first end has to be the smaller one")
    return InputSpec(sizes, kinds[kind], ends[0], ends[1], True)


def _refused(text: str) -> ConfigError:
    return ConfigError(
        f"--input-shape: expected whole numbers with commas, such as 2,3,8,8, or (); got {text!r}. Before a shape "
        "may stand what numbers: int:0,6:2,3 (whole ones from 0 to 5) or float:0,1:2,3 (between 0 and 1)"
    )
