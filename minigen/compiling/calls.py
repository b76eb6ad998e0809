"""What a trace is made of: calls, with names for arrays in them.

Imports: capture, NumPy. Read next: ``trace.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigen.capture.arguments import is_record


class Made(NamedTuple):
    """In a result, or as a gradient: a Tensor of this array."""

    ref: Any


class Ref(NamedTuple):
    """The name of an array in a trace: the result of a call, or what a place or an argument holds at the start."""

    number: int


class Position(NamedTuple):
    """Where a generator is, counted from where it was at the start of the step."""

    generator: int
    blocks: int


@dataclass
class Call:
    """A call; arrays among the arguments are Refs, `result` has Refs for the arrays of the result."""

    function: Callable[..., Any]
    args: Any
    kwargs: Any
    result: Any
    changes: bool = False  # any of its arguments
    error_state: Any = None  # what `np.errstate` is around it, if it is not what it was before the step
    expected: bool | None = None  # of a question: the answer, with which the step went on
    changed: frozenset[int] = frozenset()  # of a question: the memory that had been changed before
    like: Any = None  # shapes and dtypes of the result; of a question: where it is asked


def refs_in(x: Any) -> Iterator[int]:
    """The numbers of the Refs in it."""
    if isinstance(x, Ref):
        yield x.number
    elif isinstance(x, (tuple, list)) and not isinstance(x, (Position, Made)):
        for part in x:
            yield from refs_in(part)
    elif isinstance(x, dict):
        for part in x.values():
            yield from refs_in(part)
    elif isinstance(x, Made):
        yield x.ref.number
    elif is_record(x):
        for field in dataclasses.fields(x):
            yield from refs_in(getattr(x, field.name))
    elif isinstance(x, slice):
        yield from refs_in((x.start, x.stop, x.step))


def pairs(refs: Any, made: Any) -> Iterator[tuple[int, Any]]:
    """The numbers of Refs with what is in the same places of another structure."""
    if isinstance(refs, Ref):
        yield refs.number, made
    elif isinstance(refs, tuple):
        for part, value in zip(refs, made):
            yield from pairs(part, value)


def renamed(ref: int, names: dict[int, int]) -> int:
    """The number of the Ref that stands for this one."""
    while ref in names:
        ref = names[ref]
    return ref


def first_difference(a: Sequence[Call], b: Sequence[Call]) -> str | None:
    """What differs between the calls of two steps, in one line; None if nothing does."""
    for x, y in zip(a, b):
        if x.function != y.function:
            return f"one step called {_name(x)} where the next called {_name(y)}"
        told = (x.args, x.kwargs, x.result, x.error_state, x.expected, x.like)
        if not same(told, (y.args, y.kwargs, y.result, y.error_state, y.expected, y.like)):
            return f"the arguments of {_name(x)} changed from one step to the next"
    return None if len(a) == len(b) else f"one step made {len(a)} calls, the next {len(b)}"


def same(x: Any, y: Any) -> bool:
    """Whether two arguments are the same, arrays bit by bit."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, dict):
        return list(x) == list(y) and all(map(same, x.values(), y.values()))
    if isinstance(x, (np.ndarray, np.generic)):
        alike = (x.shape, x.dtype, x.strides) == (y.shape, y.dtype, y.strides)
        return alike and x.dtype.kind in "biufc" and x.tobytes() == y.tobytes()
    if isinstance(x, slice):
        return same((x.start, x.stop, x.step), (y.start, y.stop, y.step))
    if isinstance(x, (float, complex)):
        return repr(x) == repr(y)
    return isinstance(x, (bool, int, str, bytes, np.dtype, type)) and x == y


def _name(call: Call) -> str:
    return "a question" if call.expected is not None else str(call.function.__name__)
