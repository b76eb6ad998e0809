"""Labels: the classes are the different labels of the whole data set (all splits), numbered from 0.

1..26 becomes 0..25, 0 and 7 become 0 and 1, "cat" and "dog" too; the original labels are kept as class names. So no
model has a class without images, and a rare class has the same number in every split.

Imports: NumPy, ``minigen.shapes``. Read next: ``assemble.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.shapes import shown

LONGEST = 18  # most digits of a label that is sorted as a number


def unique_labels(y: NDArray[Any], count: int | None, source: str) -> tuple[list[str], NDArray[np.int64]]:
    """The different labels in `y` as strings, and the index (N,) into them for each image.

    `y` is (N,) or (N, 1): integers, floats with integer values, bools or strings. `count` is the number of images, if
    known. ValueError, starting with `source`, for anything else.
    """
    if not y.ndim or y.shape not in ((len(y),), (len(y), 1)):
        raise ValueError(
            f"{source}: labels must be (N,), one for each image, got {y.shape}; of one-hot rows save the argmax"
        )
    if count is not None and len(y) != count:
        raise ValueError(f"{source}: {count} images but {len(y)} labels; they must be as many")
    if y.dtype.kind not in "biufUS":
        raise ValueError(f"{source}: labels must be whole numbers, bools or texts, got {y.dtype}")
    y = y.reshape(-1)
    if y.dtype.kind == "f":
        odd = ~(np.isfinite(y) & (np.floor(y) == y))
        if odd.any():
            raise ValueError(
                f"{source}: labels must be whole numbers, bools or texts, got {y.dtype} with {y[odd][0]}; save "
                "np.unique(labels, return_inverse=True)[1] if each of these numbers is a class"
            )
    different, which = np.unique(y, return_inverse=True)
    return [_name(value) for value in different], which.reshape(-1).astype(np.int64)


def _name(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(int(value)) if isinstance(value, np.integer | np.floating) else str(value)


def label_text(value: Any) -> str:
    """The name of the class that a value of another program's file means, by the rules of `unique_labels`.

    Whole numbers, bools and texts, as texts or bytes in UTF-8. ValueError for any other value.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    if not isinstance(value, bool | int | str):
        raise ValueError(f"labels must be whole numbers, bools or texts, got {shown(value)}")
    if "\0" in str(value):
        raise ValueError(f"a label must not hold zeros (NUL), got {shown(value)}")
    return str(value)


def encode_labels(
    parts: Mapping[str, tuple[Sequence[str], NDArray[np.int64]]], known: Sequence[str] | None = None
) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """The names of the classes and the class numbers (N,) of each split, from the result of `unique_labels` for each.

    `known` are the class names of a named data set: labels that are integers below their number are not renumbered.
    """
    names = sorted({name for texts, _ in parts.values() for name in texts}, key=_order)
    numbers = {name: k for k, name in enumerate(names)}
    if known is not None and numbers.keys() <= {str(k) for k in range(len(known))}:
        names, numbers = list(known), {str(k): k for k in range(len(known))}
    return tuple(names), {
        split: np.array([numbers[text] for text in texts], np.int64)[which] for split, (texts, which) in parts.items()
    }


def _order(name: str) -> tuple[bool, int, str]:
    """Sort key: integers by value, then strings."""
    digits = name.removeprefix("-")
    whole = digits.isdecimal() and len(digits) <= LONGEST
    return not whole, int(name) if whole else 0, name


def stored_labels(y: NDArray[Any], count: int | None, source: str) -> NDArray[np.int64]:
    """The labels by the rules of version 0.1.0: integers from 0, not renumbered."""
    unique_labels(y, count, source)  # for its errors
    if not np.issubdtype(y.dtype, np.integer) or y.min(initial=0) < 0:
        raise ValueError(f"{source}: the run was trained on labels of whole numbers from 0, now there are others")
    return y.reshape(-1).astype(np.int64)
