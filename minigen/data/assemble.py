"""Make a `Dataset` from the arrays that a reader found. Value range and classes are the same for all splits.

A model that is trained on one split is evaluated on another. So the value range is determined from the training images,
and the classes from the labels of all splits.

Imports: NumPy, ``values.py``, ``classes.py``, ``layout.py``. Read next: the readers, ``arrays.py`` and ``folder.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data import classes, values
from minigen.data.dataset import Dataset
from minigen.data.layout import as_nchw, holdout

LATEST_RULES = 2  #: Version of the rules for reading; 1 is that of version 0.1.0, for runs that were started with it.


@dataclass(frozen=True)
class Part:
    """The images of one split, in any layout of ``layout.py``, their labels or None, and their names for messages.

    `images` reads them when it is called, because they are not always needed.
    """

    images: Callable[[], NDArray[Any]]
    labels: NDArray[Any] | None
    images_source: str
    labels_source: str


def assemble(
    name: str,
    parts: Mapping[str, Part],
    *,
    split: str,
    seed: int | None,
    known: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    rules: int = LATEST_RULES,
) -> Dataset:
    """One split of a data set. `parts` are "train" and "test", or only "": then a tenth (by `seed`) is the test set.

    `known` are names of the classes. ValueError, naming the source, for invalid images or labels.
    """
    key = split if split in parts else ""
    part, first = parts[key], parts.get("train")
    x = as_nchw(part.images(), part.images_source)
    if rules == 1 and x.dtype.kind == "f" and x.min() >= -1 and x.max() <= 1:
        value_range, clipped = (0.0 if x.min() >= 0 else -1.0, 1.0), None
    elif first is None or first is part:
        value_range, clipped = values.value_range(x, part.images_source)
    else:
        value_range, clipped = _range_of_test_images(x, first, part.images_source)
    labels, names = _labels(parts, key, len(x), known, rules)
    x = values.as_pixels(x, value_range)
    notes = [*notes, *([clipped] if clipped else [])]
    whole = Dataset(name, split, x, labels, names, value_range=value_range, notes=tuple(notes))
    if key or seed is None:
        return whole
    return whole.subset(holdout(len(x), split=split, seed=seed, source=part.images_source))


def _range_of_test_images(x: NDArray[Any], train: Part, source: str) -> tuple[values.Range, str | None]:
    """The value range of test images: that of the training images, if the test images fit into it."""
    if x.dtype == np.uint8 and x.max() > 1:
        return (0.0, 1.0), None
    y = as_nchw(train.images(), train.images_source)
    if x.dtype == y.dtype == np.uint8 and y.max() > 1:
        return (0.0, 1.0), None
    decided, _ = values.value_range(y, train.images_source)
    if decided[0] < 0 and values.is_near_range(x, decided) and np.isfinite(x).all():
        return decided, values.clipping_note(x, decided)
    return values.value_range(x, source)


def _labels(
    parts: Mapping[str, Part], key: str, count: int, known: Sequence[str] | None, rules: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """The class numbers of one part and the names of all classes."""
    mine = parts[key]
    if rules == 1:
        return (
            None if mine.labels is None else classes.stored_labels(mine.labels, count, mine.labels_source),
            None if known is None else tuple(known),
        )
    found = {
        k: classes.unique_labels(part.labels, count if k == key else None, part.labels_source)
        for k, part in parts.items()
        if part.labels is not None
    }
    if key not in found:
        return None, None if known is None else tuple(known)
    names, numbers = classes.encode_labels(found, known)
    return numbers[key], names
