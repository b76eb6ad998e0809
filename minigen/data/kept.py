"""What is found out about files that take long to read, kept in the cache folder: `kept`; and large files beside it.

Imports: ``minigen.cache``, ``minigen.atomic``. Read next: ``tar.py``, ``encoded.py``, ``pixels.py``.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.atomic import PATTERN, write_atomically
from minigen.cache import cache_folder

MOST = 200  # files that are kept; the oldest go first
ABANDONED = 3600  # seconds without a change after which a temporary file has no writer any more

Arrays = Mapping[str, NDArray[Any]]


def kept(key: str, make: Callable[[], Arrays], *, again: bool = False) -> Arrays:
    """What `make()` gives, or gave when it was called with that key before, unless it is to be called `again`.

    `key` has to be another one if the files are. A cache that is damaged is made again, one that cannot be written is
    done without.
    """
    path = kept_folder() / f"{key}.npz"
    with contextlib.suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        if again:
            raise KeyError(key)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    made = make()
    buffer = io.BytesIO()
    np.savez(buffer, **made)  # type: ignore[arg-type]
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
        _forget_oldest(path.parent)
    return made


def kept_folder() -> Path:
    """Where it is kept."""
    return cache_folder() / "data"


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)
    for path in files[:-MOST]:
        path.unlink(missing_ok=True)


def forget_abandoned(folder: Path) -> None:
    """Delete temporary files that nobody has written to for an hour: what a killed process has left."""
    for path in folder.glob(PATTERN):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def name_once(temporary: Path, path: Path) -> None:
    """Give a file its name, unless another process was first: that may read its own already, which is the same."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(temporary, path)
