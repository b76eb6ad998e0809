"""Images in ``.npy`` files that are read where they lie: rows of numbers, of which a batch takes some.

Imports: NumPy, ``npy.py``, ``slices.py``, ``stored.py``. Read next: ``arrays.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.layout import as_nchw, nchw_shape
from minigen.data.npy import read_header
from minigen.data.slices import Slices
from minigen.data.stored import StoredImages


@dataclass(frozen=True)
class NpyFile:
    """What the header of a ``.npy`` file says, and where its numbers begin."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int
    stamp: tuple[int, int]  # size and time of change

    def __str__(self) -> str:
        return f"{self.path} is {self.dtype} {self.shape}"

    @property
    def pixel_bytes(self) -> int:
        """What its numbers become in memory: bytes or float32."""
        return math.prod(self.shape) * (4 if self.dtype.kind == "f" else 1)


def open_npy(path: Path) -> NpyFile:
    """ValueError, naming the file, if it cannot be read, is damaged or cut, or holds Python objects."""
    try:
        with path.open("rb") as file:
            shape, fortran_order, dtype, offset, found = read_header(file)
    except (OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path}: cannot be read as NumPy arrays ({text}); save it again with np.save") from error
    return NpyFile(path, shape, dtype, fortran_order, offset, found)


class Rows(StoredImages):
    """The rows of arrays with one shape and type behind the first axis, in any layout that `as_nchw` takes.

    Only shape and byte order are brought to (N, C, H, W); the type stays, and the caller checks values.
    """

    def __init__(self, files: Sequence[NpyFile]) -> None:
        """ValueError for arrays that differ, or that lie in the file with the last axis first."""
        check_alike(files)
        first = files[0]
        for file in files:
            if file.fortran_order:
                raise ValueError(
                    f"{file.path}: it is in Fortran order, so that an image is scattered over the file and cannot be "
                    "read alone; save np.ascontiguousarray(images), or load it into memory (stream=False, --no-stream)"
                )
        count = sum(file.shape[0] if file.shape else 0 for file in files)
        self.shape = nchw_shape((count, *first.shape[1:]) if first.shape else (), str(first.path))
        self.row, self.stored = first.shape[1:], first.dtype
        size = math.prod(self.row) * first.dtype.itemsize
        counts = [file.shape[0] for file in files]
        within = np.concatenate([np.arange(count) for count in counts])
        number = np.repeat(np.arange(len(files)), counts)
        offsets = np.array([file.offset for file in files])[number] + within * size
        stamps = np.array([file.stamp for file in files], np.int64)
        self.slices = Slices([str(f.path) for f in files], stamps, number, offsets, np.full(len(within), size))
        self.dtype = self.stored.newbyteorder("=")

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        rows = np.empty((len(index), *self.row), self.stored)
        for k, data in self.slices.read(index):
            rows[k] = np.frombuffer(data, self.stored).reshape(self.row)
        if not len(index):
            return np.empty((0, *self.shape[1:]), self.dtype)
        return as_nchw(rows, "images").astype(self.dtype, copy=False)


def check_alike(files: Sequence[NpyFile]) -> None:
    """ValueError, naming two of them, if arrays in several files are not parts of one array."""
    for file in files[1:]:
        if file.shape[1:] != files[0].shape[1:] or file.dtype != files[0].dtype or not file.shape:
            raise ValueError(f"images in several files must have one shape and type: {files[0]}, {file}")
