"""What would be read of a data set: how many images, of which shapes, classes and values, and what is refused and why.

`load` stops at the first file that it cannot use; here every file is looked at.

Imports: the readers, ``sources.py``. Read next: ``minigen/cli/data.py``.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from minigen.data.ahead import read_ahead
from minigen.data.dataset import Dataset
from minigen.data.encoded import Encoded, Reading, clipping_note
from minigen.data.layout import holdout
from minigen.data.picture import decode, header
from minigen.data.picture_options import Header, PictureOptions, picture_options
from minigen.data.slices import Slices
from minigen.data.sources import find, load
from minigen.data.stored import STREAMED_ABOVE, StoredImages, parts_of

R = TypeVar("R")

AT_ONCE = 64  # pictures that a thread decodes in one go


@dataclass(frozen=True)
class Refusal:
    """What is refused, and why. `name` is that of a file, or "" for all of them."""

    name: str
    reason: str


@dataclass
class Inspection:
    """What is known of a data set. `shape` (C, H, W) is None if the images have no common one, or none can be read.

    `sizes` counts (height, width) as stored, `kinds` other things worth knowing of the files. `copies` are pairs of
    images of the same pixels; of `leaks` of them one is a training and one a test image. `low`, `high` and
    `mean_image` (C, H, W) are in the value range.
    """

    name: str
    splits: dict[str, int] = field(default_factory=dict)
    drawn: bool = False  # whether a tenth is drawn as the test set
    shape: tuple[int, int, int] | None = None
    dtype: str = ""
    value_range: tuple[float, float] = (0.0, 1.0)
    low: float = 0.0
    high: float = 0.0
    mean_image: NDArray[np.float64] | None = None
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    classes: dict[str, dict[str, int]] | None = None  # by class: how many images of each split
    copies: list[tuple[str, str]] = field(default_factory=list)
    leaks: int = 0
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    in_files: bool | None = None  # of arrays: whether `load` left them in their files

    @property
    def count(self) -> int:
        """How many images there are in all splits."""
        return sum(self.splits.values())

    @property
    def mean(self) -> float | None:
        """The mean of all pixels."""
        return None if self.mean_image is None else float(self.mean_image.mean())

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels of all splits in memory; 0 without a common shape."""
        return 0 if self.shape is None else self.count * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    @property
    def streamed(self) -> bool:
        """Whether `load` leaves the training images in their files, unless it is asked otherwise."""
        if self.in_files is not None:
            return self.in_files
        return self.count > 0 and self.nbytes / self.count * self.splits.get("train", 0) > STREAMED_ABOVE


def inspect_data(
    name_or_path: str,
    options: Mapping[str, Any],
    *,
    data_dir: str | None = None,
    letters: bool = False,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Inspection:
    """Look at all that `minigen.data.load` would read with these `options`: image_size and its like, labels, stream.

    `tell` is called from time to time with how many of how many pictures have been looked at (each twice).

    Each file that it could not use is a refusal of the result, and so is what keeps it from reading anything.
    FileNotFoundError and PermissionError: there is no such path, or it may not be read. ValueError: a wrong option.
    """
    own = {key: value for key, value in options.items() if key.startswith("image_")}
    reading = Reading(picture_options(**own), options.get("labels"), options.get("stream"))
    arguments: dict[str, Any] = {"data_dir": data_dir, "letters": letters}
    try:
        found = find(name_or_path, reading, split="train", **arguments)
        if isinstance(found, Encoded):
            return _Look(found, reading, tell).inspection()
        return _of_dataset(found, load(name_or_path, split="test", **arguments, **options))
    except (FileNotFoundError, PermissionError):
        raise
    except (ValueError, OSError) as error:
        return Inspection(name_or_path, refused=[Refusal(name_or_path, str(error).removeprefix(f"{name_or_path}: "))])


class _Reason(str):
    """Why a picture is refused."""


class _Sums:
    """Sums of images by their shape, in float64."""

    def __init__(self) -> None:
        self.sums: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self.counts: Counter[tuple[int, ...]] = Counter()

    def add(self, x: NDArray[Any]) -> None:
        """Add images (N, C, H, W)."""
        shape = x.shape[1:]
        total = x.sum(0, dtype=np.float64)
        self.sums[shape] = self.sums[shape] + total if shape in self.sums else total
        self.counts[shape] += len(x)

    def mean(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The mean image (C, H, W)."""
        return self.sums[shape] / self.counts[shape]


class _Look:
    """A look at pictures in files, each by itself."""

    def __init__(self, found: Encoded, reading: Reading, tell: Callable[[int, int], None]) -> None:
        self.found, self.reading, self.tell, self.done = found, reading, tell, 0
        self.slices = Slices.joined(list(found.parts.values()))
        self.names = [name for part in found.parts.values() for name in part.names(found.root)]
        self.result = Inspection(found.name, drawn="" in found.parts)
        self.refused: dict[int, str] = {}
        self.copies: list[tuple[int, int]] = []

    def inspection(self) -> Inspection:
        """All that is known."""
        result = self.result
        headers = self._headers()
        self._describe(headers.values())
        options = self._resolved(headers)
        if options is not None and headers:
            self._read(options, np.array(sorted(headers)))
        self._split()
        order = sorted(self.refused)
        result.refused += [Refusal(self.names[k], self.refused[k]) for k in order]
        return result

    def _each(self, function: Callable[[bytes, str], R], places: NDArray[np.int64]) -> Iterator[tuple[int, R]]:
        """What a function makes of each picture that it can read; the others are refused."""

        def some(part: NDArray[np.int64]) -> list[tuple[int, R | _Reason]]:
            made: list[tuple[int, R | _Reason]] = []
            for place in part.tolist():
                try:
                    ((_, data),) = self.slices.read(np.array([place]))
                    made.append((place, function(data, self.slices.name(place))))
                except ValueError as error:
                    made.append((place, _Reason(str(error))))
            return made

        parts = (places[k : k + AT_ONCE] for k in range(0, len(places), AT_ONCE))
        for part in read_ahead(some, parts):
            self.done += len(part)
            self.tell(self.done, 2 * len(self.slices))
            for place, found in part:
                if isinstance(found, _Reason):
                    self.refused[place] = found.removeprefix(f"{self.slices.name(place)}: ")
                else:
                    yield place, found

    def _headers(self) -> dict[int, Header]:
        return dict(self._each(header, np.arange(len(self.slices))))

    def _describe(self, headers: Iterable[Header]) -> None:
        result = self.result
        for seen in headers:
            result.sizes[seen.size] += 1
            result.kinds["grey" if seen.grey else seen.space or "RGB"] += 1
            result.kinds[seen.depth] += 1
            result.kinds["with transparent pixels"] += seen.alpha
            result.kinds["turned by EXIF data"] += seen.turned
            result.kinds["of several frames, the first is read"] += seen.frames > 1

    def _resolved(self, headers: Mapping[int, Header]) -> PictureOptions | None:
        try:
            return self.reading.options.resolve(headers.values())
        except ValueError as error:
            self.result.refused.append(Refusal("", str(error)))
            return None

    def _read(self, options: PictureOptions, places: NDArray[np.int64]) -> None:
        """Decode all pictures: their common shape, values, copies and mean."""
        sums, lock = _Sums(), threading.Lock()

        def look(data: bytes, name: str) -> tuple[Any, bytes, float, float, list[tuple[float, float]]]:
            outside: list[tuple[float, float]] = []
            x = decode(data, options, name, outside=lambda *ends: outside.append(ends))
            with lock:
                sums.add(x[None])
            return x.shape, _digest(x), float(x.min()), float(x.max()), outside

        seen = dict(self._each(look, places))
        result = self.result
        if not seen:
            return
        shapes = Counter(shape for shape, *_ in seen.values())
        result.dtype, scale = np.dtype(options.dtype).name, 255.0 if options.range is None else 1.0
        result.low = min(low for _, _, low, _, _ in seen.values()) / scale
        result.high = max(high for _, _, _, high, _ in seen.values()) / scale
        outside = [ends for *_, found in seen.values() for ends in found]
        result.kinds["with values out of the range, which are clipped"] += len(outside)
        result.notes += clipping_note(options, outside)
        result.kinds["of one value alone"] += sum(low == high for _, _, low, high, _ in seen.values())
        self._find_copies({place: (found[0], found[1]) for place, found in seen.items()})
        if len(shapes) > 1:
            sizes = ", ".join(f"{h}x{w} ({n:,})" for (_, h, w), n in shapes.most_common(4))
            more = f" and {len(shapes) - 4:,} more" if len(shapes) > 4 else ""
            result.refused.append(
                Refusal("", f"pictures of different sizes: {sizes}{more}; give image_size (--image-size) for all")
            )
            return
        (shape,) = shapes
        result.shape, result.mean_image = shape, sums.mean(shape) / scale

    def _find_copies(self, pixels: Mapping[int, Any]) -> None:
        """Pictures of the same pixels: a copy, and the first of them."""
        first: dict[Any, int] = {}
        for place, key in sorted(pixels.items()):
            if key in first:
                self.copies.append((place, first[key]))
            first.setdefault(key, place)
        self.result.copies = [(self.names[one], self.names[other]) for one, other in self.copies]

    def _split(self) -> None:
        """How many pictures each split has, and of which classes."""
        found, result = self.found, self.result
        try:
            found = found.labelled(self.reading.labels)
        except (ValueError, TypeError, OSError) as error:
            result.refused.append(Refusal("", str(error)))
            found = replace(found, labels=None)
        chosen = {s: np.arange(len(part)) for s, part in found.parts.items()}
        if result.drawn:
            chosen = {"train": chosen[""]}
            try:
                chosen = {s: holdout(len(self.slices), split=s, seed=0, source=found.name) for s in ("train", "test")}
            except ValueError as error:
                result.refused.append(Refusal("", str(error)))
        result.notes = [*found.notes, *result.notes]
        result.splits = {s: len(chosen[s]) for s in ("train", "test") if s in chosen}
        if found.labels is not None:
            numbers = {s: found.labels["" if result.drawn else s][chosen[s]] for s in result.splits}
            result.classes = class_counts(found.classes, numbers)
        if result.drawn:
            tests = {*chosen.get("test", np.array([])).tolist()}
        else:
            sizes = np.cumsum([0, *map(len, found.parts.values())])
            begins = dict(zip(found.parts, sizes.tolist()))
            tests = {*(begins["test"] + chosen["test"]).tolist()} if "test" in chosen else set()
        result.leaks = sum((one in tests) != (other in tests) for one, other in self.copies)


def _of_dataset(train: Dataset, test: Dataset) -> Inspection:
    """Of images that a reader has checked already: arrays, and data sets known by name."""
    result = Inspection(train.name, notes=[*train.notes], in_files=isinstance(train.images, StoredImages))
    result.splits = {"train": len(train), "test": len(test)}
    shape, low, high = train.image_shape, *train.value_range
    result.shape, result.dtype, result.value_range = shape, str(train.images.dtype), (low, high)
    result.sizes[shape[1:]] = result.count
    sums, first, ends = _Sums(), dict[bytes, str](), list[float]()
    for dataset in (train, test):
        start = 0
        for part in parts_of(dataset.images):
            sums.add(part)
            ends += [float(part.min()), float(part.max())]
            for k, x in enumerate(part, start):
                name, digest = f"{dataset.split} {k}", _digest(x)
                if digest in first:
                    result.copies.append((name, first[digest]))
                    result.leaks += first[digest].split()[0] != dataset.split
                first.setdefault(digest, name)
            start += len(part)
    offset, scale = (low, (high - low) / 255) if result.dtype == "uint8" else (0.0, 1.0)
    result.mean_image = offset + scale * sums.mean(shape)
    result.low, result.high = offset + scale * min(ends), offset + scale * max(ends)
    if train.labels is not None and test.labels is not None:
        names = train.classes or tuple(map(str, range(train.class_count or 0)))
        result.classes = class_counts(names, {"train": train.labels, "test": test.labels})
    return result


def class_counts(names: Sequence[str] | None, numbers: Mapping[str, NDArray[np.int64]]) -> dict[str, dict[str, int]]:
    """By class and split the number of images."""
    names = names or ()
    counts = {split: np.bincount(some, minlength=len(names)) for split, some in numbers.items()}
    return {name: {split: int(count[k]) for split, count in counts.items()} for k, name in enumerate(names)}


def _digest(x: NDArray[Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=16).digest()
