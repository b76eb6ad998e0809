"""Results and arguments of a step taken apart: the Tensors and arrays in tuples, lists, dicts and dataclasses.

Imports: autograd, capture, program, trace, traced. Read next: ``recording.py``.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.capture.arguments import is_record
from minigen.compiling.calls import Made, Ref
from minigen.compiling.trace import Trace
from minigen.compiling.traced import Traced


def tensors_in(value: Any) -> list[Tensor]:
    """The Tensors in it."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif is_record(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [t for x in value for t in tensors_in(x)] if isinstance(value, (tuple, list)) else []


def _changed_in(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with `change(x)` in the place of each Tensor, array and number of NumPy in it."""
    if isinstance(value, (Tensor, np.ndarray, np.generic, Made, Ref)):
        return change(value)
    if isinstance(value, tuple):
        parts = [_changed_in(x, change) for x in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [_changed_in(x, change) for x in value]
    if isinstance(value, dict):
        parts_by_key = {key: _changed_in(x, change) for key, x in value.items()}
        if type(value) is not dict:  # an OrderedDict, a defaultdict
            value = copy.copy(value)
            value.update(parts_by_key)
            return value
        return parts_by_key
    if is_record(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: _changed_in(x, change) for name, x in fields.items()})
    return value


def template(result: Any, kept: dict[int, Tensor], trace: Trace) -> Any:
    """A result with Refs for arrays, and Made for Tensors that are not those of the step."""

    def change(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x if id(x) in kept else Made(change(x.data))
        if isinstance(x, Traced):
            return x.ref
        if isinstance(x, np.generic):
            return x
        trace.problem = trace.problem or "the step returns an array that compile has not seen"
        return x

    if other := _other_than_plain(result):
        trace.problem = trace.problem or f"the step returns a {other}; return a dict, list, tuple or dataclass"
    return _changed_in(result, change)


def _other_than_plain(x: Any) -> str:
    """The name of the class of a dict or list in a result that is more than that; empty if there is none."""
    if isinstance(x, (dict, list)) and type(x) not in (dict, list):
        return type(x).__name__
    parts = list(x.values()) if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return next(filter(None, map(_other_than_plain, parts)), "")


def values(result: Any, kept: dict[int, Tensor]) -> Any:
    """A result with real arrays for traced ones."""

    def change(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x if id(x) in kept else Tensor(change(x.data))
        return x.value if isinstance(x, Traced) else x

    return _changed_in(result, change)


def arrays_of(result: Any) -> list[Any]:
    """The arrays and numbers of NumPy in it."""
    found: list[Any] = []

    def change(x: Any) -> Any:
        found.append(x.data if isinstance(x, Tensor) else x)
        return x

    _changed_in(result, change)
    return found
