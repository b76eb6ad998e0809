"""The order of events: when each Function ran, and when a Tensor was changed in place after that.

Imports: tensor. Read next: ``function.py``, which takes a number at each call.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from minigen.autograd.tensor import Node, Tensor

sequence = itertools.count(1)  # numbers the Functions and the changes, in the order in which they happen
_last_change = 0  # the newest number that `note_change` gave


class GradientError(RuntimeError):
    """A `backward` broke its contract: wrong number, shape, dtype or device of gradients, or no second derivative."""


def note_change(t: Tensor) -> None:
    """Say that `t.data` was replaced or changed in place.

    What was computed from the old values can then no longer be differentiated: `backward` would read the new ones. From
    now on the engine raises GradientError there, instead of a wrong gradient. Optimizers call this at every step.
    """
    global _last_change
    t.changed = _last_change = next(sequence)


def note_changes(tensors: Iterable[Tensor]) -> None:
    """`note_change` of several, as of one moment."""
    global _last_change
    _last_change = next(sequence)
    for t in tensors:
        t.changed = _last_change


def changed_since(number: int) -> bool:
    """Has any Tensor been changed in place since the Function of this number ran?"""
    return number < _last_change


def check_unchanged(name: str, function: Node) -> None:
    """GradientError, in the name of `grad` or `backward`, if an input was changed in place after the Function ran."""
    for i, x in enumerate(function.inputs):
        if isinstance(x, Tensor) and x.changed > function.sequence:
            raise GradientError(
                f"{name}: input {i} of {type(function).__name__}, {x!r}, was changed in place after it was used (by an "
                "optimizer step, batch norm or load_state_dict), so the gradient would mix old and new values. Call "
                "every backward before the first step, or compute the result again after it"
            )
