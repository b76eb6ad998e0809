"""Images that stay in their files and are read when they are asked for: the images of a data set larger than memory.

Imports: NumPy, ``ahead.py``, ``checksum.py``. Read next: ``slices.py``, where the bytes come from.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigen.data.ahead import WORKERS, read_ahead
from minigen.data.checksum import combined_crc32, crc32_of_each

PART = 1 << 22  # bytes of pixels that are read at a time by whoever goes through all images
STREAMED_ABOVE = 512 << 20  # bytes of pixels; less is loaded into memory, unless asked otherwise


class Survey(NamedTuple):
    """What is known of each image: the crc32 (N,) of its bytes, and the sum (N,) of its values."""

    crc: NDArray[np.uint32]
    total: NDArray[np.number[Any]]


class StoredImages(ABC):
    """Images (N, C, H, W) in files. ``images[index]`` reads some of them, ``np.asarray(images)`` all.

    They are uint8 or float32 with the values that `Dataset` wants; whoever makes such an object has checked them.
    Reading is a pure function of the index, and may be done by several threads at once. ValueError, naming the file,
    if that has changed or cannot be read.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The images (B, C, H, W) at an index (B,) from 0 to N - 1, as a new array."""

    @property
    def ndim(self) -> int:
        return 4

    @property
    def nbytes(self) -> int:
        """Bytes of all images in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape}, {self.dtype}, in files)"

    def __getitem__(self, index: Any) -> NDArray[Any]:
        places = self._places(index)
        return self.read(places.reshape(-1)).reshape(*places.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("these images lie in files; np.asarray reads them into a new array")
        images = np.empty(self.shape, self.dtype)
        start = 0
        for part in self.parts():
            images[start : start + len(part)] = part
            start += len(part)
        return images if dtype is None else images.astype(dtype, copy=False)

    def _places(self, index: Any) -> NDArray[np.int64]:
        if isinstance(index, tuple) or index is None or index is Ellipsis:
            raise TypeError(
                f"these images lie in files: the index is that of images, a number, slice or array, got {index!r}; "
                "np.asarray(images) reads all of them"
            )
        return np.asarray(np.arange(len(self))[index])

    def subset(self, index: Any) -> StoredImages:
        """The images at an index, not yet read."""
        return Chosen(self, self._places(index))

    def parts(self, workers: int = WORKERS) -> Iterator[NDArray[Any]]:
        """All images in order, some megabytes at a time, read ahead by worker threads."""
        count = max(1, PART // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize))
        places = (np.arange(k, min(k + count, len(self))) for k in range(0, len(self), count))
        return read_ahead(self.read, places, workers)

    @cached_property
    def survey(self) -> Survey:
        """Checksum and sum of each image, for which all images are read, once."""
        return self.make_survey()

    def make_survey(self) -> Survey:
        """Read all images, in bounded memory."""
        return survey_of(self.parts())

    def crc32(self) -> int:
        """The crc32 of the bytes of all images, as if they lay in memory."""
        return combined_crc32(self.survey.crc, math.prod(self.shape[1:]) * self.dtype.itemsize)


class Chosen(StoredImages):
    """Some images of others."""

    def __init__(self, images: StoredImages, places: NDArray[np.int64]) -> None:
        self.images, self.places = images, places
        self.shape, self.dtype = (len(places), *images.shape[1:]), images.dtype

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.images.read(self.places[index])

    def subset(self, index: Any) -> StoredImages:
        return Chosen(self.images, self.places[self._places(index)])

    def make_survey(self) -> Survey:
        """Read the images that are chosen, unless all have been surveyed."""
        if "survey" not in vars(self.images):
            return super().make_survey()
        crc, total = self.images.survey
        return Survey(crc[self.places], total[self.places])


class Changed(StoredImages):
    """Images of which each batch is changed by a function, image by image, when it is read: another value range."""

    def __init__(
        self, images: StoredImages, function: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any = np.float32
    ) -> None:
        self.images, self.function = images, function
        self.shape, self.dtype = images.shape, np.dtype(dtype)

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.function(self.images.read(index))


def survey_of(parts: Iterable[NDArray[Any]]) -> Survey:
    """What is known of each image of all parts."""
    found = [(crc32_of_each(part), totals(part)) for part in parts]
    return Survey(np.concatenate([crc for crc, _ in found]), np.concatenate([total for _, total in found]))


def parts_of(images: NDArray[Any] | StoredImages) -> Iterator[NDArray[Any]]:
    """All images in order, some megabytes at a time."""
    if isinstance(images, StoredImages):
        yield from images.parts()
        return
    count = max(1, PART // max(1, images[:1].nbytes))
    for start in range(0, len(images), count):
        yield images[start : start + count]


def totals(x: NDArray[Any]) -> NDArray[np.number[Any]]:
    """The sum (B,) of the values of each image: exact of bytes; in float64 of floats, whatever B is."""
    rows = x.reshape(len(x), -1)
    if x.dtype == np.uint8:
        return rows.sum(1, dtype=np.int64)
    return np.ascontiguousarray(rows, np.float64).sum(1)


def is_streamed(nbytes: int, stream: bool | None) -> bool:
    """Whether images of so many bytes stay in their files: as asked or, without a wish, if they are large."""
    return nbytes > STREAMED_ABOVE if stream is None else stream
