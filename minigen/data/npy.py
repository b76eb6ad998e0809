"""Read an array in the ``.npy`` format without trusting the file.

NumPy's own reader has three problems with damaged files: it maps the file into memory (a file that shrinks meanwhile
kills the process), errors of the header's parser come through, and trailing bytes are not noticed. (Format: NumPy
Enhancement Proposal 1.)

Imports: NumPy. Read next: ``arrays.py``.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"


def read_npy(file: io.BufferedIOBase, size: int) -> NDArray[Any]:
    """The array in an open file of `size` bytes. ValueError if the file is anything else; nothing is unpickled."""
    shape, fortran_order, dtype = _header(file)
    left = size - file.tell()
    _check_size(shape, dtype, left)
    data = np.empty(left, np.uint8)
    done = 0
    while done < left:
        got = file.readinto(data.data[done:])
        if not got:
            raise ValueError(f"it ends after {done:,} of {left:,} bytes; did another process write to it?")
        done += got
    if file.read(1):  # in an archive, this also verifies the checksum
        raise ValueError(f"more than {left:,} bytes follow its header; did another process write to it?")
    x: NDArray[Any] = data.view(dtype)
    return x.reshape(shape[::-1]).T if fortran_order else x.reshape(shape)


def read_header(file: io.BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype[Any], int, tuple[int, int]]:
    """(shape, Fortran order?, type, where the numbers begin, (size, time of change)) of an open file on disk.

    ValueError if it is another file, or has more or fewer bytes than its header promises.
    """
    now = os.fstat(file.fileno())
    shape, fortran_order, dtype = _header(file)
    _check_size(shape, dtype, now.st_size - file.tell())
    return shape, fortran_order, dtype, file.tell(), (now.st_size, now.st_mtime_ns)


def _check_size(shape: tuple[int, ...], dtype: np.dtype[Any], left: int) -> None:
    promised = math.prod(shape) * dtype.itemsize
    if promised != left:
        raise ValueError(f"its header promises {promised:,} bytes ({dtype}, {shape}), it holds {left:,}")


def _header(file: io.BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd headers
            version = npy_format.read_magic(file)
            read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[version]
            shape, fortran_order, dtype = read(file)
    except Exception as error:  # the parser raises many types
        raise ValueError(f"its header is damaged ({type(error).__name__}: {error})") from error
    if dtype.hasobject:
        raise ValueError(
            "it holds pickled Python objects, which are not read: they could run a program; texts: x.astype(str)"
        )
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(f"its header is damaged: {dtype}, {shape}")
    return shape, fortran_order, dtype
