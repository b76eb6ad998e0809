"""How the facts of a report are written as JSON, and read again as numbers.

The renderers (``text.py``, ``table.py``, ``page.py``, ``drawing.py``) know a report by its facts alone: what can be
shown can be kept in a file. The fields are listed at `Report.facts`.

Imports: NumPy. Read next: ``text.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen_kernels import Array

Facts = Mapping[str, Any]


def plain(value: Any) -> Any:
    """`value` in dicts, lists, texts and numbers. A number that is not finite is the text "nan", "inf" or "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): plain(element) for key, element in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if isinstance(value, (np.generic, float)):
        number = value.item() if isinstance(value, np.generic) else value
        return number if not isinstance(number, float) or math.isfinite(number) else str(number)
    return value


def to_json(facts: Facts, indent: int | None = None) -> str:
    """Strict JSON: no NaN, no Infinity."""
    return json.dumps(plain(facts), indent=indent, allow_nan=False, ensure_ascii=False)


def array(numbers: Any) -> Array:
    """An array of floats from what `plain` made of it."""
    return np.asarray(numbers, dtype=np.float64)
