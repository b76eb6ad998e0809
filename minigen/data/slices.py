"""Slices of files: where the bytes of an image lie. A picture of a folder is a whole file, one of a tar archive a part.

Files are read at positions, not mapped into memory: a mapped file that shrinks kills the process, and its pages count
as memory of the process. The size and the time of change of each file are kept, and compared whenever it is read.

Imports: NumPy. Read next: ``encoded.py`` and ``rows.py``, which make images of the bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slices:
    """N slices, each `size` (N,) bytes from `offset` (N,) of the file number `file` (N,) of `paths`.

    `stamps` (F, 2) are size and time of change of each file when it was listed. `members` names the slices of files
    that hold several; `titles` (F,) what each file is called in a message, if not by its path.
    """

    paths: Sequence[str]
    stamps: Integers
    file: Integers
    offset: Integers
    size: Integers
    members: Sequence[str] | None = None
    titles: Sequence[str] | None = None

    @classmethod
    def of_files(cls, paths: Sequence[str | Path]) -> Slices:
        """Each file is one slice. ValueError, naming it, for one that cannot be found."""
        stamps = np.array([stamp(path) for path in paths], np.int64).reshape(-1, 2)
        count = len(paths)
        return cls([str(p) for p in paths], stamps, np.arange(count), np.zeros(count, np.int64), stamps[:, 0])

    @classmethod
    def joined(cls, parts: Sequence[Slices]) -> Slices:
        """All slices of several."""
        before = np.cumsum([0, *(len(part.paths) for part in parts)])
        named = all(part.members is not None for part in parts)
        return cls(
            [path for part in parts for path in part.paths],
            np.concatenate([part.stamps for part in parts]),
            np.concatenate([part.file + k for part, k in zip(parts, before)]),
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.size for part in parts]),
            [name for part in parts for name in part.members or ()] if named else None,
            [title for part in parts for title in part.titles or part.paths] if any(p.titles for p in parts) else None,
        )

    def __len__(self) -> int:
        return len(self.file)

    def name(self, i: int) -> str:
        """What slice `i` is called in a message."""
        path = (self.titles or self.paths)[int(self.file[i])]
        return path if self.members is None else f"{path}: {self.members[i]}"

    def names(self, root: Path) -> list[str]:
        """What each slice is called in a data set at `root`: the name of a member, or the path from there."""
        if self.members is not None and self.titles is None:
            return list(self.members)
        if self.members is not None:
            return [self.name(i) for i in range(len(self))]
        return [Path(os.path.relpath(self.paths[i], root)).as_posix() for i in self.file.tolist()]

    def read(self, index: Integers) -> Iterator[tuple[int, bytes]]:
        """(k, bytes of the slice index[k]) for each k, in the order in which they lie in the files.

        ValueError, naming the file, if it has changed since it was listed, or cannot be read.
        """
        order = np.lexsort((self.offset[index], self.file[index]))
        k, files = 0, self.file[index][order]
        while k < len(order):
            number = int(files[k])
            try:
                with open(self.paths[number], "rb", buffering=0) as file:
                    self._check(number, os.fstat(file.fileno()))
                    while k < len(order) and files[k] == number:
                        place = int(order[k])
                        file.seek(int(self.offset[index[place]]))
                        size = int(self.size[index[place]])
                        data = file.read(size)
                        if data is None or len(data) != size:
                            raise self._changed(number)
                        yield place, data
                        k += 1
            except OSError as error:
                raise ValueError(f"{self.paths[number]}: cannot be read ({error.strerror or error})") from error

    def _check(self, number: int, now: os.stat_result) -> None:
        if (now.st_size, now.st_mtime_ns) != tuple(self.stamps[number]):
            raise self._changed(number)

    def _changed(self, number: int) -> ValueError:
        return ValueError(
            f"{self.paths[number]}: it has changed since it was first read (its size or time is another); what was "
            "learnt of it no longer holds: load the data set again"
        )

    def key(self, *more: object) -> str:
        """A text that is another one for other slices, files that have changed, or other `more`."""
        digest = hashlib.sha256(repr(more).encode())
        digest.update("\0".join(os.path.abspath(path) for path in self.paths).encode("utf-8", "surrogateescape"))
        for array in (self.stamps, self.file, self.offset, self.size):
            digest.update(np.ascontiguousarray(array, np.int64).data)
        return digest.hexdigest()


def stamp(path: str | Path) -> tuple[int, int]:
    """Size and time of change of a file. ValueError, naming it, if there is none that can be looked at."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
        raise ValueError(f"{path}: cannot be read (it is no file)")
    return found.st_size, found.st_mtime_ns
