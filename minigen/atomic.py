"""Files and folders that appear whole or not at all: `write_atomically`, `temporary_path`.

What is written goes to a temporary place beside its target, which then takes the name in one step. The temporary name
cannot be guessed, and is only ever used for something new: whoever else may write in that folder can neither lay a link
under it nor come in its way, and two processes never meet, even with the same process number in two containers.

Imports: nothing of minigen. Read next: ``serialization.py``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

PATTERN = ".minigen-*.tmp"  # of temporary names, for whoever looks for what a killed process has left
CHUNK = 1 << 20  # bytes read back at once


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the contents of the file `path`: all of it or, on an error or a crash at any moment, nothing.

    The bytes reach the disk, and are read back and compared, before the name changes hands: until then the old file is
    there. OSError: the folder is missing or cannot be written, the disk is full or gives back something else, or `path`
    is something other than a file. A symbolic link stays a link; its target is replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise IsADirectoryError(0, f"it is {'a folder' if target.is_dir() else 'no ordinary file'}", str(path))
    temporary = temporary_path(target.parent)
    try:
        file = open(temporary, "xb")  # noqa: SIM115 - x: a file that is new, or an error
        try:
            with file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _check_written(temporary, data)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:  # the temporary file's name would mean nothing to anybody
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    _sync_folder(target.parent)


def temporary_path(folder: Path) -> Path:
    """A path in `folder` that nobody can know, for a file or folder to be prepared: hidden, and not there yet.

    After a crash it may stay; it means nothing then.
    """
    return folder / PATTERN.replace("*", secrets.token_hex(8))


def _check_written(path: Path, data: bytes) -> None:
    """OSError if the file `path` does not hold `data`. It is read from the disk where the system can be told so."""
    with open(path, "rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if os.fstat(file.fileno()).st_size == len(data) and all(
            file.read(CHUNK) == data[start : start + CHUNK] for start in range(0, len(data), CHUNK)
        ):
            return
    raise OSError(errno.EIO, "what was written is not what the disk gives back", str(path))


def _sync_folder(folder: Path) -> None:
    """Make a change of names in a folder survive a power cut, on systems that can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
