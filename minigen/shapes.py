"""Axes and shapes, as tuples of numbers: what fits, and the errors that say what does not.

Imports: nothing. Read next: ``tensor.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def normalize_axis(name: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes as numbers from 0 to ndim - 1; all of them for None. `name`: the caller, for the error."""
    axes = tuple(range(ndim)) if axis is None else tuple(axis) if isinstance(axis, Sequence) else (axis,)
    if not all(hasattr(i, "__index__") for i in axes):
        raise TypeError(f"{name}: axis is a whole number, a tuple of them or None, got {axis!r}")
    if any(not -ndim <= i < ndim for i in axes) or len({i % ndim for i in axes}) != len(axes):
        valid = f"different axes out of -{ndim} ... {ndim - 1}" if ndim else "() or None for a single number"
        raise ValueError(f"{name}: axis {axis} must be {valid}")
    return tuple(int(i) % ndim for i in axes)


def whole_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape, given as a sequence or one number, as a tuple of whole numbers."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not all(hasattr(n, "__index__") for n in sizes):
        raise TypeError(f"{name}: a shape is made of whole numbers, got {shape!r}")
    return tuple([int(n) for n in sizes])


def reshape_error(shape: tuple[int, ...], wanted: tuple[int, ...]) -> ValueError:
    """Why elements of one shape cannot be given another."""
    if wanted.count(-1) > 1 or min(wanted, default=0) < -1:
        problem = "one length may be -1, the others are at least 0"
    elif -1 in wanted and 0 in wanted and 0 in shape:
        problem = "any number might stand for -1; give the length"
    else:
        problem = f"{int(np.prod(shape, dtype=np.int64))} elements do not fit into it"
    return ValueError(f"reshape: {shape} to {wanted}: {problem}")


def check_broadcast(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """ValueError unless NumPy would repeat one shape to the other."""
    lead = len(wanted) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, wanted[lead:])):
        raise ValueError(
            f"broadcast_to: shape {shape} cannot be repeated to {wanted}; counted from the last, every axis must be as "
            "long as wanted, or 1"
        )


def stack_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The leading axes of a @ b, from the shapes of two stacks of matrices."""
    try:
        return np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError as error:
        raise ValueError(
            f"matmul: the stacks of {a} @ {b} do not fit; their leading axes must be equal or 1"
        ) from error
