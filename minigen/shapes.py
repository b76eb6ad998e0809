"""Axes, shapes and options, as numbers of Python: what fits, and the errors that say what does not.

Imports: nothing. Read next: ``autograd/tensor.py``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def is_whole(n: Any) -> bool:
    """Is it one whole number, of Python, of NumPy or of somebody's own? Arrays and Tensors are none."""
    return hasattr(n, "__index__") and (isinstance(n, np.integer) or not (hasattr(n, "shape") or isinstance(n, type)))


def normalize_axis(name: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes as numbers from 0 to ndim - 1; all of them for None. `name`: the caller, for the error."""
    axes = tuple(range(ndim)) if axis is None else tuple(axis) if isinstance(axis, Sequence) else (axis,)
    if not all(type(i) is int or is_whole(i) for i in axes):
        raise TypeError(f"{name}: axis is a whole number, a tuple of them or None, got {axis!r}")
    if any(not -ndim <= i < ndim for i in axes) or len({i % ndim for i in axes}) != len(axes):
        valid = f"different axes out of -{ndim} ... {ndim - 1}" if ndim else "() or None for a single number"
        raise ValueError(f"{name}: axis {axis} must be {valid}")
    return tuple(int(i) % ndim for i in axes)


def whole_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape (or order of axes), given as a sequence or one number, as a tuple of whole numbers."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not all(type(n) is int or is_whole(n) for n in sizes):
        what = "an order of axes" if name == "transpose" else "a shape"
        raise TypeError(f"{name}: {what} is made of whole numbers, got {shape!r}")
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


def can_broadcast(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Would NumPy repeat one shape to the other?"""
    lead = len(wanted) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, wanted[lead:]))


def stack_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The leading axes of a @ b, from the shapes of two stacks of matrices."""
    try:
        return np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError as error:
        raise ValueError(
            f"matmul: the stacks of {a} @ {b} do not fit; their leading axes must be equal or 1"
        ) from error


def one_number(name: str, argument: str, value: Any, hint: str = "") -> int | float:
    """An option that is one number, for all elements; whole numbers stay whole. TypeError for anything else."""
    if isinstance(value, int):
        return int(value)
    try:
        if isinstance(value, str) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {argument} is one number, got {shown(value)}{hint}") from None


def flag(name: str, argument: str, value: Any) -> bool:
    """An option that is True or False. TypeError for what is neither, nor 0 or 1: a mask, a name, None."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_) or (is_whole(value) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name}: {argument} is True or False, got {shown(value)}")


def shown(value: Any) -> str:
    """What came, for an error: short, and without the numbers of an array."""
    if hasattr(value, "shape") and not isinstance(value, type):
        return f"a {type(value).__name__} of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def one_of(name: str, argument: str, value: Any, options: tuple[str, ...]) -> None:
    """ValueError for an option that is none of these words; an array, which is compared element by element, is none."""
    if not isinstance(value, str) or value not in options:
        words = " or ".join((", ".join(map(repr, options[:-1])), repr(options[-1])))
        raise ValueError(f"{name}: {argument} is {words}, got {shown(value)}")


def by_name(name: str, argument: str, value: Any) -> Mapping[str, Any]:
    """`value`, if it is a mapping whose keys are strings; else TypeError."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name}: {argument} holds values by name, as state_dict() does, got {shown(value)}")
    return value


def as_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """What NumPy knows as a dtype. TypeError for anything else, None among it; `name`: who asks, for the error."""
    if isinstance(dtype, (str, type, np.dtype)):
        with contextlib.suppress(TypeError, ValueError):
            return np.dtype(dtype)
    raise TypeError(f"{name}: dtype is one of NumPy, such as np.float32 or 'float64'; got {shown(dtype)}")


def whole_number(name: str, argument: str, value: Any, least: int) -> int:
    """An option that is one whole number of at least `least`."""
    if isinstance(value, bool) or not is_whole(value) or value < least:
        raise ValueError(f"{name}: {argument} is a whole number of at least {least}, got {shown(value)}")
    return int(value)


def one_axis(name: str, axis: Any, ndim: int, hint: str = "") -> int:
    """An option that is one axis, as a number from 0 to ndim - 1."""
    if not is_whole(axis):
        raise TypeError(f"{name}: axis is one whole number, got {shown(axis)}{hint}")
    if not ndim:
        raise ValueError(f"{name}: x is one number and has no axis; it takes at least a Tensor (K,)")
    return normalize_axis(name, axis, ndim)[0]


def several(name: str, value: Any, wanted: str) -> list[Any]:
    """The elements of an iterable as a list; TypeError, which says what was `wanted`, for what is none."""
    try:
        return list(value)
    except TypeError as error:
        raise TypeError(f"{name}: expected {wanted}, got {shown(value)}") from error


def file_path(name: str, value: Any) -> str:
    """A path, given as text or as a Path, as text."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise TypeError(f"{name}: a path is text or a pathlib.Path, got {shown(value)}")
    return path
