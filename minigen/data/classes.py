"""The rule for labels: the classes are the labels that occur in the whole data set, numbered from 0.

1..26 becomes 0..25, 0 and 7 become 0 and 1, "cat" and "dog" too; what they were called stays as their names. So no
model is built for a class that does not exist, and a class that is rare has its number in every part of the data.

Imports: NumPy. Read next: ``whole.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 18  # digits of a label that is sorted as a number


def names_of(y: NDArray[Any], count: int | None, source: str) -> tuple[list[str], NDArray[np.int64]]:
    """The different labels in `y` as texts, and for each image which of them it has, (N,).

    `y` is (N,) or (N, 1), of whole numbers (as integers or floats), bools or texts; `count` is the number of images, if
    it is known. ValueError, which begins with `source`, if it is not that.
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


def number(parts: Mapping[str, tuple[Sequence[str], NDArray[np.int64]]], known: Sequence[str] | None = None
           ) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:  # fmt: skip
    """The names of the classes, and the class numbers (N,) of each split, from what `names_of` gives for each.

    With the names that are `known` of a data set, labels that are whole numbers below their count keep their numbers.
    """
    names = sorted({name for texts, _ in parts.values() for name in texts}, key=_order)
    numbers = {name: k for k, name in enumerate(names)}
    if known is not None and numbers.keys() <= {str(k) for k in range(len(known))}:
        names, numbers = list(known), {str(k): k for k in range(len(known))}
    return tuple(names), {
        split: np.array([numbers[text] for text in texts], np.int64)[which] for split, (texts, which) in parts.items()
    }


def _order(name: str) -> tuple[bool, int, str]:
    """Numbers by their values, then words."""
    digits = name.removeprefix("-")
    whole = digits.isdecimal() and len(digits) <= LONGEST
    return not whole, int(name) if whole else 0, name


def as_stored(y: NDArray[Any], count: int | None, source: str) -> NDArray[np.int64]:
    """The labels of a data set that is read by the rules of version 0.1.0: whole numbers from 0, left as they are."""
    names_of(y, count, source)  # for its errors
    if not np.issubdtype(y.dtype, np.integer) or y.min(initial=0) < 0:
        raise ValueError(f"{source}: the run was trained on labels of whole numbers from 0, now there are others")
    return y.reshape(-1).astype(np.int64)
