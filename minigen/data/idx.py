"""The IDX format of MNIST: a header of big-endian counts, then the bytes in C order; whole or gzipped.

The header is not trusted: memory grows with the bytes that are read, and no more is unpacked than the header
says. `open_maybe_gzipped` is for the other readers too.

Imports: shapes, NumPy. Read next: ``layout.py``, ``sources.py``.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigen.shapes import file_path

FILE_NAME = re.compile(r"(?P<stem>.+)-(?P<what>images|labels)-idx[1-4]-ubyte(\.gz)?")

CHUNK = 1 << 20  # bytes read at a time
UINT8 = 0x08
DTYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


@contextmanager
def open_maybe_gzipped(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for reading, unpacking it if its first bytes say that it is gzipped.

    ValueError, with the file's name, if it is named ``.gz`` and is not gzip, or if unpacking finds it broken.
    """
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        if start != b"\x1f\x8b":
            if path.suffix == ".gz":
                raise ValueError(f"{path}: named .gz, but not gzip data (it starts with {start!r}); get the file again")
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield unpacked
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: broken gzip data ({error}); get the file again") from error


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """The uint8 array (1 to 4 axes) in an IDX file. FileNotFoundError; ValueError for an invalid file."""
    path = Path(file_path("read_idx", path))
    with open_maybe_gzipped(path) as file:
        shape = _read_header(file, path)
        count = math.prod(shape)
        data = bytearray()
        # Read one byte more than the header says: it detects trailing bytes, and makes gzip verify its checksum.
        while len(data) <= count and (part := file.read(min(CHUNK, count + 1 - len(data)))):
            data += part
    if len(data) != count:
        problem, got = ("truncated", str(len(data))) if len(data) < count else ("trailing bytes", "more")
        raise ValueError(
            f"{path}: {problem}: the header {shape} wants {count} bytes of data, got {got}; get the file again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_header(file: io.BufferedIOBase, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(
            f"{path}: not an IDX file: expected it to start with 0, 0, type, axes, got the bytes {list(magic)}; "
            "get the file again"
        )
    dtype, axes = magic[2], magic[3]
    if dtype != UINT8:
        name = DTYPES.get(dtype, "unknown")
        raise ValueError(f"{path}: IDX type 0x{dtype:02X} ({name}) is not read here, only 0x08 (uint8)")
    if not 1 <= axes <= 4:
        raise ValueError(f"{path}: expected an IDX array of 1 to 4 axes, got {axes}")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise ValueError(f"{path}: truncated: expected a header of {4 + 4 * axes} bytes, got {4 + len(sizes)}")
    shape = struct.unpack(f">{axes}I", sizes)
    if 0 in shape:
        raise ValueError(f"{path}: empty: its header gives the shape {shape}")
    return shape


def find_idx(files: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """The IDX files among `files`: stem ("train", "t10k", ...) -> {"images": path, "labels": path}.

    If there is a file and its ``.gz``, the plain one is taken.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(files):  # x-ubyte sorts before x-ubyte.gz
        match = FILE_NAME.fullmatch(path.name)
        if match and path.is_file():
            found.setdefault(match["stem"], {}).setdefault(match["what"], path)
    return {stem: files for stem, files in found.items() if "images" in files}


def split_stems(stems: Iterable[str]) -> dict[str, str]:
    """{"train": stem, "test": stem} for the stems ``train`` and ``t10k`` or ``test``.

    A name before them is allowed (``emnist-letters-train``) if there is only one.
    """
    sets: dict[str, dict[str, str]] = {}
    for stem in sorted(stems, key=lambda stem: stem.endswith("t10k")):  # t10k has priority over test
        before, _, last = stem.rpartition("-")
        split = {"train": "train", "t10k": "test", "test": "test"}.get(last)
        sets.setdefault(before if split else stem, {})[split or ""] = stem
    plain = sets.get("", {})
    only = next(iter(sets.values())) if len(sets) == 1 else {}
    return plain or (only if only.keys() == {"train", "test"} else {})
