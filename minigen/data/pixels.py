"""The pixels of streamed pictures, in one file of the cache folder: what is decoded once is not decoded in every epoch.

To decode a PNG picture of 64x64x3 takes a fifth of a millisecond, to read its pixels a hundredth; where training keeps
all cores busy, it would wait for the difference. Pixels take more room than pictures, so they are kept up to `MOST`
bytes, and where enough room stays free; of other data sets each batch is decoded when its turn comes.

Imports: NumPy, ``kept.py``, ``slices.py``. Read next: ``encoded.py``.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.atomic import temporary_path
from minigen.data.kept import forget_abandoned, kept_folder, name_once
from minigen.data.slices import Slices, stamp

MOST = 4 << 30  # bytes of pixels of one data set
SHARE = 4  # at most this part of the room that is free: one in four


class Pixels:
    """A file of pixels (N, C, H, W), one picture behind the other; there, or still to be written by `written`."""

    def __init__(self, key: str, shape: tuple[int, int, int, int], dtype: Any) -> None:
        self.path, self.shape, self.dtype = kept_folder() / f"{key}.pixels", shape, np.dtype(dtype)
        self.size = math.prod(shape[1:]) * self.dtype.itemsize
        self.slices = self._slices()

    def _slices(self) -> Slices | None:
        """Where each picture lies; None without the file, or if that is another than was written."""
        count, total = self.shape[0], self.shape[0] * self.size
        with contextlib.suppress(ValueError):
            if (found := stamp(self.path))[0] == total:
                zeros, each = np.zeros(count, np.int64), np.full(count, self.size, np.int64)
                return Slices([str(self.path)], np.array([found], np.int64), zeros, self.size * np.arange(count), each)
        return None

    @property
    def wanted(self) -> bool:
        """Whether they are not there, but few enough to be kept."""
        total = self.shape[0] * self.size
        if self.slices is not None or total > MOST:
            return False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return total * SHARE <= shutil.disk_usage(self.path.parent).free
        except OSError:
            return False

    def written(self, parts: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """The same parts, each written when it comes. What cannot be written is done without."""
        if not self.wanted:
            yield from parts
            return
        temporary = temporary_path(self.path.parent)
        with contextlib.ExitStack() as stack:
            stack.callback(_remove, temporary)
            file = None
            with contextlib.suppress(OSError):
                forget_abandoned(self.path.parent)
                _remove(self.path)
                file = stack.enter_context(open(temporary, "xb", buffering=0))
            for part in parts:
                if file is not None:
                    data = np.ascontiguousarray(part, self.dtype)
                    try:
                        if file.write(data.data) != data.nbytes:
                            file = None
                    except OSError:  # no more room
                        file = None
                yield part
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
                    name_once(temporary, self.path)
        self.slices = self._slices()

    def read(self, slices: Slices, index: NDArray[np.int64]) -> NDArray[Any]:
        """The pictures (B, C, H, W) at an index."""
        images = np.empty((len(index), *self.shape[1:]), self.dtype)
        for k, data in slices.read(index):
            images[k] = np.frombuffer(data, self.dtype).reshape(self.shape[1:])
        return images


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
