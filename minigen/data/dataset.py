"""A data set: images, in memory or in files, with labels and factors.

Images keep the type in which they were stored: 60,000 grey 28x28 images are 47 MB as bytes and 188 MB as
float32. `Dataset.images_float` gives the images of one batch as float32, in the value range of the data set.

Imports: NumPy, ``minigen.random``, ``stored.py``. Read next: ``batches.py``, then ``sources.py``.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.checksum import joined_crc32
from minigen.data.shown import dataset_html
from minigen.data.stored import Changed, StoredImages, parts_of, totals
from minigen.display.blocks import safely
from minigen.random import Generator
from minigen.shapes import by_name, one_number, shown

Index = slice | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of one size, with labels and generative factors if they are known.

    * ``images`` (N, C, H, W): uint8 (0..255 stands for the ends of ``value_range``) or float32 inside ``value_range``;
      an array or, of data larger than memory, `StoredImages`: ``images[index]`` reads some of them from their files.
    * ``labels`` (N,): int64 class numbers from 0, or None. ``classes``: the name of each class, or None. They are those
      of the whole data set: a class may have no image in this split.
    * ``factors``: the generative factors of each image, one array (N,) per factor, or None.
    * ``value_range``: smallest and largest possible value of a float image: (0, 1) if the decoder ends in a sigmoid,
      (-1, 1) if it ends in a tanh. ``dataset.in_range((-1.0, 1.0))`` converts.
    * ``notes``: what the reader skipped or changed, in sentences for the user.

    ValueError or TypeError if the fields are inconsistent.
    """

    name: str
    split: str
    images: NDArray[Any] | StoredImages
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    factors: Mapping[str, NDArray[Any]] | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"Dataset {self.name!r} ({self.split})"
        x = self.images
        if self.labels is not None and not isinstance(self.labels, np.ndarray):
            raise TypeError(f"{where}: labels must be a NumPy array of int64, got {shown(self.labels)}")
        if self.classes is not None and not isinstance(self.classes, (tuple, list)):
            raise TypeError(f"{where}: classes are a tuple of names, got {shown(self.classes)}")
        for values in ({} if self.factors is None else by_name(where, "factors", self.factors)).values():
            if not isinstance(values, np.ndarray):
                raise TypeError(f"{where}: each factor is a NumPy array with one number an image, got {shown(values)}")
        for key, values in {"images": x, "labels": self.labels, **(self.factors or {})}.items():
            if isinstance(values, np.ma.MaskedArray):
                raise TypeError(
                    f"{where}: {key} is a masked array, and masks are not kept; fill it, {key}.filled(value), or drop "
                    "the masked images"
                )
        if not isinstance(x, np.ndarray | StoredImages) or x.dtype not in (np.uint8, np.float32):
            raise TypeError(f"{where}: images must be a NumPy array of uint8 or float32, got {_kind(x)}")
        if x.ndim != 4 or 0 in x.shape:
            raise ValueError(f"{where}: images must be (N, C, H, W) with no empty axis, got {x.shape}")
        if not isinstance(self.value_range, (tuple, list)) or len(self.value_range) != 2:
            raise TypeError(f"{where}: value_range is a pair (low, high), got {shown(self.value_range)}")
        low, high = (one_number(where, "value_range", end) for end in self.value_range)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"{where}: value_range must be (low, high) with low < high, got {self.value_range}")
        if (
            isinstance(x, np.ndarray) and x.dtype == np.float32 and not (low <= x.min() and x.max() <= high)
        ):  # a NaN fails this too
            raise ValueError(
                f"{where}: float images must lie inside value_range {self.value_range}, "
                f"got values from {x.min()} to {x.max()}"
            )
        if self.labels is not None and self.labels.dtype != np.int64:
            raise TypeError(f"{where}: labels must be int64, got {self.labels.dtype}")
        if self.labels is not None and self.labels.size and self.labels.min() < 0:
            raise ValueError(f"{where}: labels must be class numbers from 0, got {self.labels.min()}")
        if self.labels is not None and self.classes is not None and self.labels.max() >= len(self.classes):
            raise ValueError(f"{where}: a label is {self.labels.max()}, but there are {len(self.classes)} classes")
        per_image = {**({} if self.labels is None else {"labels": self.labels}), **(self.factors or {})}
        for key, values in per_image.items():
            if values.shape != (len(x),):
                raise ValueError(f"{where}: {key} must be ({len(x)},), one for each image, got {values.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, c, h, w = self.images.shape
        known = "no labels" if self.labels is None else "labels"
        return (
            f"Dataset({self.name!r}, {self.split!r}, {n} images of {c}x{h}x{w}, "
            f"{self.images.dtype}, {known}, values in {self.value_range})"
        )

    def _repr_html_(self) -> str:
        return safely(dataset_html, self)

    @property
    def class_count(self) -> int | None:
        """How many classes the data set has; None without labels."""
        if self.labels is None:
            return None
        return int(self.labels.max()) + 1 if self.classes is None else len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, c, h, w = self.images.shape
        return c, h, w

    def images_float(self, index: Index = slice(None)) -> NDArray[np.float32]:
        """The images at `index` (a slice or int64 indices) as a new float32 array (B, C, H, W).

        A byte k becomes ``low + (high - low) k/255``: for the range (0, 1) that is k/255, correctly rounded.
        """
        x = self.images[index]
        if x.dtype == np.float32:
            return np.array(x, dtype=np.float32, order="C")
        y = np.divide(x, np.float32(255), dtype=np.float32)
        low, high = self.value_range
        if (low, high) != (0.0, 1.0):
            y *= np.float32(high - low)
            y += np.float32(low)
        return y

    def in_range(self, value_range: tuple[float, float]) -> Dataset:
        """The same images, scaled linearly to another value range; uint8 images are not copied."""
        images = self.images
        if images.dtype == np.float32 and tuple(self.value_range) != tuple(value_range):
            scale = functools.partial(_scaled, old=self.value_range, new=value_range)
            images = Changed(images, scale) if isinstance(images, StoredImages) else scale(images)
        return replace(self, images=images, value_range=value_range)

    def mean(self) -> float:
        """The mean of all pixels, in the value range."""
        x = self.images
        sums = x.survey.total if isinstance(x, StoredImages) else np.concatenate([totals(part) for part in parts_of(x)])
        mean = math.fsum(sums.tolist()) / math.prod(x.shape)
        low, high = self.value_range
        return mean if self.images.dtype == np.float32 else low + (high - low) * mean / 255

    def checksum(self, start: int = 0) -> int:
        """The crc32 of the bytes of all images, behind others whose crc32 is `start`."""
        if isinstance(self.images, StoredImages):
            return joined_crc32(start, self.images.crc32(), self.images.nbytes)
        return zlib.crc32(np.ascontiguousarray(self.images).data, start)

    def subset(self, index: Index) -> Dataset:
        """The images at `index`, with their labels and factors; images in files are not read for it."""
        return replace(
            self,
            images=self.images.subset(index) if isinstance(self.images, StoredImages) else self.images[index],
            labels=None if self.labels is None else self.labels[index],
            factors=None if self.factors is None else {k: v[index] for k, v in self.factors.items()},
        )

    def evenly_spaced_indices(self, count: int) -> NDArray[np.int64]:
        """`count` indices (or all) at equal distances: images of all classes, if the data set is sorted by class."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))

    def random_indices(self, count: int, *, seed: int = 0) -> NDArray[np.int64]:
        """Indices (min(count, N),) of a random sample without replacement, in random order.

        With labels, the first indices are one image of each class (as many as `count` allows).
        """
        order: NDArray[np.int64] = Generator(seed).spawn("drawn").permutation(len(self))
        if self.labels is not None:
            _, first = np.unique(self.labels[order], return_index=True)
            first.sort()
            order = np.concatenate([order[first], np.delete(order, first)])
        return order[:count]


def _scaled(x: NDArray[np.float32], old: tuple[float, float], new: tuple[float, float]) -> NDArray[np.float32]:
    """Values in the range `old`, scaled linearly to `new`."""
    (low, high), (new_low, new_high) = old, new
    y: NDArray[np.float32] = (x - np.float32(low)) * np.float32((new_high - new_low) / (high - low)) + np.float32(
        new_low
    )
    return y.clip(new_low, new_high)  # against rounding errors


def _kind(x: object) -> str:
    return str(x.dtype) if isinstance(x, np.ndarray) else type(x).__name__
