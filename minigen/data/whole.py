"""From what a reader found to a `Dataset`: what holds for all of it is decided once, and only then a split is taken.

The value range and the classes belong to the data set, not to a part of it: a model that is trained on one part is
asked about the others. The training images decide about the range, the labels of all splits about the classes.

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

LATEST = 2  #: The rules for reading; 1: as version 0.1.0 did, for runs that began with it.


@dataclass(frozen=True)
class Part:
    """The images of one split, in any layout of ``layout.py``, with their labels or None; and what messages call them.

    The images are read when they are asked for: not each split needs the other.
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
    rules: int = LATEST,
) -> Dataset:
    """The split of a data set whose `parts` are "train" and "test", or one "" of which a tenth (by `seed`) is the test.

    `known` are names of the classes. ValueError, naming the source, for what is no image or label.
    """
    key = split if split in parts else ""
    part, first = parts[key], parts.get("train")
    x = as_nchw(part.images(), part.images_source)
    if rules == 1 and x.dtype.kind == "f" and x.min() >= -1 and x.max() <= 1:
        value_range, clipped = (0.0 if x.min() >= 0 else -1.0, 1.0), None
    elif first is None or first is part:
        value_range, clipped = values.value_range(x, part.images_source)
    else:
        value_range, clipped = _range_beside(x, first, part.images_source)
    labels, names = _labels(parts, key, len(x), known, rules)
    x = values.as_pixels(x, value_range)
    notes = [*notes, *([clipped] if clipped else [])]
    whole = Dataset(name, split, x, labels, names, value_range=value_range, notes=tuple(notes))
    if key or seed is None:
        return whole
    return whole.subset(holdout(len(x), split=split, seed=seed, source=part.images_source))


def _range_beside(x: NDArray[Any], train: Part, source: str) -> tuple[values.Range, str | None]:
    """The range of test images: that of the training images, if they lie in it; alone they might look like another."""
    if x.dtype == np.uint8 and x.max() > 1:
        return (0.0, 1.0), None
    y = as_nchw(train.images(), train.images_source)
    if x.dtype == y.dtype == np.uint8 and y.max() > 1:
        return (0.0, 1.0), None
    decided, _ = values.value_range(y, train.images_source)
    if decided[0] < 0 and values.fits(x, decided) and np.isfinite(x).all():
        return decided, values.clipping(x, decided)
    return values.value_range(x, source)


def _labels(
    parts: Mapping[str, Part], key: str, count: int, known: Sequence[str] | None, rules: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """The class numbers of one part and the names of all classes."""
    mine = parts[key]
    if rules == 1:
        return (
            None if mine.labels is None else classes.as_stored(mine.labels, count, mine.labels_source),
            None if known is None else tuple(known),
        )
    found = {
        k: classes.names_of(part.labels, count if k == key else None, part.labels_source)
        for k, part in parts.items()
        if part.labels is not None
    }
    if key not in found:
        return None, None if known is None else tuple(known)
    names, numbers = classes.number(found, known)
    return numbers[key], names
