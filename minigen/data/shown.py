"""A data set, and a batch of it, as HTML for a notebook: images, their size and range, classes, factors.

Imports: display. Read next: ``dataset.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.display.arrays import statistics_html
from minigen.display.blocks import facts, frame, table
from minigen.display.images import POINTS, images_html
from minigen.pictures import POINT

CLASSES = 20  # that are listed
IMAGES = 20  # that are shown


def dataset_html(data: Any) -> str:
    """Facts, classes with their numbers of images, and images at equal distances (of files only these are read)."""
    n, c, h, w = data.images.shape
    low, high = data.value_range
    where = "in memory" if isinstance(data.images, np.ndarray) else "in files, which are read when they are needed"
    about: list[tuple[str, object]] = [
        ("images", f"{n:,} of {c}x{h}x{w}, {data.images.dtype}, {data.images.nbytes / 1e6:,.1f} MB {where}"),
        ("values", f"floats from {low:g} to {high:g}"),
    ]
    if data.labels is None:
        about.append(("labels", "none"))
    for name, values in (data.factors or {}).items():
        about.append((name, f"{len(np.unique(values)):,} values, from {values.min():.4g} to {values.max():.4g}"))
    about += [("note", text) for text in data.notes]
    shown = data.evenly_spaced_indices(POINTS if (c, h, w) == POINT else IMAGES)
    picture = images_html(data.images_float(shown), data.value_range, of=n)
    return frame(f"Dataset {data.name}, {data.split}", facts(about), classes_html(data), picture)


def batch_html(batch: Any) -> str:
    """The images of a batch, and the first labels."""
    labels = "none" if batch.labels is None else _first(batch.labels)
    about = [("labels", labels), ("index in the data set", _first(batch.index))]
    return frame(f"Batch of {len(batch)} images", facts(about), statistics_html(batch.x), images_html(batch.x))


def _first(numbers: Any) -> str:
    return ", ".join(map(str, numbers[:IMAGES].tolist())) + (" ..." if len(numbers) > IMAGES else "")


def classes_html(data: Any) -> str:
    """How many images each class has."""
    if data.labels is None:
        return ""
    counts = np.bincount(data.labels, minlength=data.class_count).tolist()
    names = [str(name) for name in data.classes or range(len(counts))]
    shown = [*names[:CLASSES], *["..."] * (len(names) > CLASSES)]
    numbers = [f"{count:,}" for count in counts[:CLASSES]]
    row = ["images", *numbers, *["..."] * (len(names) > CLASSES)]
    return table(["class", *shown], [row], numbers=len(shown))
