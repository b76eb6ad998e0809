"""An array in a notebook: range, mean, NaN; images where it holds some, else its first numbers.

However large an array is, and on whatever device: no more than some megabytes of it are copied at a time, and of more
than 16 million elements only some are looked at, which is said.

Imports: device, blocks, images. Read next: ``minigen/autograd/shown.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigen.device import to_device
from minigen.display.blocks import Mark, note, table
from minigen.display.images import images_html
from minigen_kernels import Array

MOST = 1 << 24  # elements that are looked at
BLOCK = 1 << 20  # elements that are copied at a time
ROWS, COLUMNS = 6, 8  # numbers that are shown


@dataclass
class Statistics:
    """Of `seen` elements: how many are NaN or infinite; of the finite ones the smallest, largest, mean and spread."""

    seen: int = 0
    nan: int = 0
    infinite: int = 0
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0  # the sum of (x - mean)^2

    @property
    def finite(self) -> int:
        """How many elements are neither NaN nor infinite."""
        return self.seen - self.nan - self.infinite

    @property
    def std(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.squares / self.finite) if self.finite else math.nan

    def add(self, x: Array) -> None:
        """Count the elements of an array of NumPy's, too. The means are joined by the formula of Chan et al., 1979."""
        nan = int(np.isnan(x).sum())
        finite = x[np.isfinite(x)].astype(np.float64)
        self.seen, self.nan = self.seen + x.size, self.nan + nan
        self.infinite += x.size - nan - finite.size
        if finite.size:
            mean, n, before = float(finite.mean()), finite.size, self.finite - finite.size
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            difference = mean - self.mean
            self.squares += float(np.square(finite - mean).sum()) + difference**2 * n * before / (n + before)
            self.mean += difference * n / (n + before)


def statistics(x: Array) -> Statistics:
    """Those of an array on any device: of all elements, or of some at equal distances along its longest axes."""
    found = Statistics()
    with np.errstate(all="ignore"):
        for block in _blocks(thinned(x)):
            found.add(np.asarray(to_device(block, "cpu")))
    return found


def thinned(x: Array, most: int = MOST) -> Array:
    """A view of at most `most` elements of `x`, at equal distances along the longest axis, then along the next."""
    while x.size > most:
        axis = int(np.argmax(x.shape))
        step = min(x.shape[axis], -(-x.size // most))
        x = x[(*[slice(None)] * axis, slice(None, None, step))]
    return x


def statistics_html(x: Array) -> str:
    """A table of one row, and a note if there is more than was looked at."""
    found = statistics(x)
    numbers = [found.low, found.high, found.mean, found.std] if found.finite else ["-"] * 4
    bad = [Mark(f"{count:,}") if count else "0" for count in (found.nan, found.infinite)]
    head = ("min", "max", "mean", "std", "NaN", "infinite")
    few = found.seen < x.size
    rest = note(f"looked at {found.seen:,} of {x.size:,} elements, at equal distances") if few else ""
    return table(head, [[*map(_number, numbers), *bad]], numbers=6) + rest


def array_html(x: Array) -> str:
    """The range and a picture, or the first numbers, of an array on any device."""
    if not x.size:
        return note("no elements")
    images, which = as_images(x)
    if images is None:
        return (statistics_html(x) if x.size > 1 else "") + numbers_html(x)
    return statistics_html(x) + images_html(images) + note(which)


def as_images(x: Array) -> tuple[Array | None, str]:
    """The images (N, C, H, W) in an array, and a word on it if they are channels. None if they are no images.

    An array (N, C, H, W) with 1, 3 or 4 channels are images; of other numbers of channels, those of the first element
    are; (1, H, W) and (3, H, W) are one image, if it has 8 pixels on a side.
    """
    if x.ndim == 3 and x.shape[0] in (1, 3) and min(x.shape[1:]) >= 8:
        return x[None], ""
    if x.ndim != 4 or min(x.shape[2:]) < 3:
        return None, ""
    if x.shape[1] in (1, 3, 4):
        return x, ""
    return x[0][:, None], f"these are the {x.shape[1]} channels of element 0"


def numbers_html(x: Array) -> str:
    """The first numbers of an array: those of the last two axes, at 0 of all others."""
    place = (0,) * max(0, x.ndim - 2)
    plane = x[place] if place else x.reshape((1,) * (2 - x.ndim) + x.shape)
    rows, columns = plane.shape
    few = np.asarray(to_device(plane[:ROWS, :COLUMNS], "cpu"))
    lines = [[*map(_cell, row.tolist()), *["..."] * (columns > COLUMNS)] for row in few]
    lines += [["..."] * len(lines[0])] * (rows > ROWS)
    where = "" if not place else note(f"these are the numbers at [{', '.join('0' for _ in place)}]")
    return table((), lines, numbers=len(lines[0])) + where


def _blocks(x: Array) -> Iterator[Array]:
    """Views of all parts of an array, each of at most `BLOCK` elements."""
    if x.size <= BLOCK:
        yield x
        return
    axis = int(np.argmax(x.shape))
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    yield from _blocks(x[(*before, slice(None, half))])
    yield from _blocks(x[(*before, slice(half, None))])


def _cell(value: float) -> str:
    return _number(value) if math.isfinite(value) else Mark(value)


def _number(value: float | str) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
