"""Checks of numbers among the arguments of optimizers and schedules; errors give the name and the value.

Imports: nothing of the project. Read next: ``schedules.py``.
"""

from __future__ import annotations

import math
import numbers


def check_number(
    owner: str, name: str, value: object, *, low: float = 0.0, high: float = math.inf, ends: str = "[)"
) -> float:
    """`value` as a float if it is between `low` and `high`; `ends` is the type of the interval, as in "[)"."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    x = float(value)
    if not (low <= x if ends[0] == "[" else low < x) or not (x <= high if ends[1] == "]" else x < high):
        raise ValueError(f"{owner}: {name} must be in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value!r}")
    return x


def check_count(owner: str, name: str, value: object, *, low: int) -> int:
    """`value` as an int if it is a whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{owner}: {name} must be a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"{owner}: {name} must be at least {low}, got {value!r}")
    return int(value)
