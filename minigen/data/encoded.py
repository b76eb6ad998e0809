"""Pictures in files or parts of files, as PNG, JPEG and so on: from what a reader found to a `Dataset`.

They are loaded into memory, or read batch by batch whenever they are needed. Either way each is looked at before the
data set is there: damaged ones, and ones of another size, are refused by name. Of streamed pictures what was found is
kept in the cache folder, with their pixels, and not done again as long as the files are the same.

Imports: NumPy, ``picture.py``, ``slices.py``, ``stored.py``, ``kept.py``. Read next: ``pixels.py``, ``folder.py``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.ahead import read_ahead
from minigen.data.dataset import Dataset
from minigen.data.kept import kept
from minigen.data.labels import Labels, read_labels
from minigen.data.layout import holdout
from minigen.data.picture import decode, header
from minigen.data.picture_options import Header, PictureOptions
from minigen.data.pixels import Pixels
from minigen.data.slices import Slices
from minigen.data.stored import StoredImages, Survey, is_streamed, survey_of

VERSION = 4  # of what is kept: another number forgets it
AT_ONCE = 256  # pictures whose headers a thread reads in one go


@dataclass(frozen=True)
class Encoded:
    """The pictures that a reader found: by split, or under "" if a tenth is still to be held out, with their labels.

    `root` is the place of the data set: names of pictures in a table of labels begin there.
    """

    parts: Mapping[str, Slices]
    labels: Mapping[str, NDArray[np.int64]] | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    name: str = ""
    root: Path = Path()

    def labelled(self, labels: Labels | None) -> Encoded:
        """With the labels of a table or function in the place of its own, if there is one (``labels.py``)."""
        if labels is None:
            return self
        classes, numbers, notes = read_labels(labels, {s: p.names(self.root) for s, p in self.parts.items()}, self.root)
        return replace(self, labels=numbers, classes=classes, notes=(*self.notes, *notes))


class Pictures(StoredImages):
    """Pictures that are decoded when they are read, or have been when the survey was made."""

    def __init__(self, slices: Slices, options: PictureOptions) -> None:
        """ValueError, naming it, if the first cannot be read."""
        self.slices, self.options, self.lock = slices, options, threading.Lock()
        self.outside: list[tuple[float, float]] = []  # the extremes of stored values that were clipped, if any were
        first = _first(slices, options)
        self.shape, self.dtype = (len(slices), *first.shape), first.dtype
        self.pixels: Pixels | None = None

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        if self.pixels is not None and self.pixels.slices is not None:
            return self.pixels.read(self.pixels.slices, index)
        images, clipped = np.empty((len(index), *self.shape[1:]), self.dtype), list[tuple[float, float]]()
        for k, data in self.slices.read(index):
            name = self.slices.name(int(index[k]))
            x = decode(data, self.options, name, outside=lambda *ends: clipped.append(ends))
            if x.shape != self.shape[1:]:
                raise ValueError(
                    f"pictures of different sizes: {self.slices.name(0)} is {self.shape[2]}x{self.shape[3]}, "
                    f"{name} is {x.shape[1]}x{x.shape[2]} (height x width); give image_size (--image-size) for all"
                )
            images[k] = x
        if clipped:
            with self.lock:  # threads read
                self.outside = [widest([*self.outside, *clipped])]
        return images

    def make_survey(self) -> Survey:
        key = self.slices.key(VERSION, "survey", self.options, self.shape)
        pixels = Pixels(key, self.shape, self.dtype)

        def survey() -> dict[str, NDArray[Any]]:
            found = survey_of(pixels.written(self.parts()))._asdict()
            return {**found, "outside": np.array(self.outside, float).reshape(-1, 2)}

        found = dict(kept(key, survey, again=pixels.wanted))
        self.pixels = pixels
        self.outside = [(float(low), float(high)) for low, high in found.pop("outside")]
        return Survey(**found)


def widest(ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The smallest and the largest of several extremes."""
    return min(low for low, _ in ends), max(high for _, high in ends)


def clipping_note(options: PictureOptions, outside: Sequence[tuple[float, float]]) -> list[str]:
    """A note on stored values out of the range, from the extremes of the pictures that have such."""
    if options.range is None or not outside:
        return []
    (least, most), (low, high) = widest(outside), options.range
    return [f"values from {least:g} to {most:g}: those outside of [{low:g}, {high:g}] are clipped"]


@dataclass(frozen=True)
class Reading:
    """How pictures are read: what they become, and whence their labels, if not from where they lie (``labels.py``).

    `stream` False loads them into memory, True leaves them in their files, None decides by their size.
    """

    options: PictureOptions = PictureOptions()
    labels: Labels | None = None
    stream: bool | None = None

    def given(self) -> dict[str, Any]:
        """What is not as usual, by the names that `load` has for it."""
        labels = {} if self.labels is None else {"labels": self.labels}
        return {**self.options.given(), **labels, **({"stream": True} if self.stream else {})}


def picture_dataset(found: Encoded, reading: Reading, *, split: str, seed: int) -> Dataset:
    """One split of the pictures, which become as large and have as many channels as all of them need."""
    options, stream = reading.options, reading.stream
    found = found.labelled(reading.labels)
    key = split if split in found.parts else ""
    slices = found.parts[key]
    streamed = is_streamed(_first(slices, options).nbytes * len(slices), stream)
    options, several = _resolved(found.parts, options, keep=streamed)
    pictures = Pictures(slices, options)
    images: NDArray[Any] | StoredImages = pictures
    if streamed:
        _ = pictures.survey  # each is decoded once, so that damage is found now
    else:
        images = np.asarray(pictures)
    notes = (*found.notes, *clipping_note(options, pictures.outside))
    if several:
        notes = (*notes, f"{several:,} file{'s' * (several > 1)} of several pictures: the first of each is read")
    mine = None if found.labels is None else found.labels[key]
    whole = Dataset(found.name, split, images, mine, found.classes, notes=notes)
    return whole if key else whole.subset(holdout(len(whole), split=split, seed=seed, source=found.name))


def _first(slices: Slices, options: PictureOptions) -> NDArray[Any]:
    ((_, data),) = slices.read(np.zeros(1, np.int64))
    return decode(data, options, slices.name(0))


def _resolved(parts: Mapping[str, Slices], options: PictureOptions, *, keep: bool) -> tuple[PictureOptions, int]:
    """The options with the number of channels for all parts, and how many pictures have several frames."""
    slices = Slices.joined(list(parts.values()))

    def look() -> dict[str, NDArray[Any]]:
        seen = Counter(found for some in _headers(slices) for found in some)
        channels = options.resolve(seen).channels or 0
        return {"channels": np.array(channels), "several": np.array(sum(n for h, n in seen.items() if h.frames > 1))}

    facts = kept(slices.key(VERSION, "headers", options), look) if keep else look()
    return replace(options, channels=int(facts["channels"])), int(facts["several"])


def _headers(slices: Slices) -> Iterator[list[Header]]:
    def some(index: NDArray[np.int64]) -> list[Header]:
        return [header(data, slices.name(int(index[k]))) for k, data in slices.read(index)]

    return read_ahead(some, (np.arange(k, min(k + AT_ONCE, len(slices))) for k in range(0, len(slices), AT_ONCE)))
