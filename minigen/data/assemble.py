"""Make a `Dataset` from the arrays that a reader found. Value range and classes are the same for all splits.

A model that is trained on one split is evaluated on another. So the value range is determined from the training images,
and the classes from the labels of all splits.

Imports: NumPy, ``values.py``, ``classes.py``, ``layout.py``. Read next: the readers, ``arrays.py`` and ``folder.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data import classes, values
from minigen.data.dataset import Dataset
from minigen.data.layout import as_nchw, holdout
from minigen.data.stored import Changed, StoredImages

#: Version of the rules for reading, for runs that were started with another. 1: those of version 0.1.0; 2: in a folder
#: of pictures, ``train`` and ``test`` alone are splits, and test images may have a range of their own.
LATEST_RULES = 3


@dataclass(frozen=True)
class Part:
    """The images of one split, in any layout of ``layout.py``, their labels or None, and their names for messages.

    `images` reads them when it is called, because they are not always needed, or gives images that stay in files.
    """

    images: Callable[[], values.Images]
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
    x = _read(part)
    seen = values.spread(x, part.images_source)
    if rules == 1 and x.dtype.kind == "f" and seen.low >= -1 and seen.high <= 1:
        value_range, clipped = (0.0 if seen.low >= 0 else -1.0, 1.0), None
    elif first is None or first is part:
        value_range, clipped = values.range_of_spread(seen, part.images_source)
    else:
        value_range, clipped = _range_of_test_images(seen, first, part.images_source, rules)
    labels, names = _labels(parts, key, len(x), known, rules)
    if isinstance(x, StoredImages):
        dtype = np.float32 if x.dtype.kind == "f" else np.uint8
        x = Changed(x, partial(values.as_pixels, value_range=value_range), dtype)
    else:
        x = values.as_pixels(x, value_range)
    notes = [*notes, *([clipped] if clipped else [])]
    whole = Dataset(name, split, x, labels, names, value_range=value_range, notes=tuple(notes))
    if key or seed is None:
        return whole
    return whole.subset(holdout(len(x), split=split, seed=seed, source=part.images_source))


def _read(part: Part) -> values.Images:
    x = part.images()
    return x if isinstance(x, StoredImages) else as_nchw(x, part.images_source)


def _range_of_test_images(x: values.Spread, train: Part, source: str, rules: int) -> tuple[values.Range, str | None]:
    """The value range of test images: that of the training images. ValueError for floats that do not lie in it."""
    if x.dtype == np.uint8 and x.high > 1:
        return (0.0, 1.0), None
    y = values.spread(_read(train), train.images_source)
    if x.dtype == y.dtype == np.uint8 and y.high > 1:
        return (0.0, 1.0), None
    decided, _ = values.range_of_spread(y, train.images_source)
    if decided[0] < 0 and values.is_near_range(x, decided):
        return decided, values.clipping_note(x, decided)
    own, clipped = values.range_of_spread(x, source)
    if rules > 2 and x.dtype.kind == "f" and own != decided:
        raise ValueError(
            f"{source}: the images lie in [{own[0]:g}, {own[1]:g}] (their values go from {x.low!s} to {x.high!s}), "
            f"those to train on ({train.images_source}) in [{decided[0]:g}, {decided[1]:g}]; save both in one range: "
            "(images + 1) / 2 brings these to [0, 1]"
        )
    return own, clipped


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
