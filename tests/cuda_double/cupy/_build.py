"""Programs for the host: g++ makes a shared library of a text, once for all processes and sessions."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: Compiled programs, by a hash of all that went into them. Each is put in place in one step, so processes may share it.
FOLDER = Path(tempfile.gettempdir()) / f"cupy-double-{os.getuid()}"


class BuildError(Exception):
    """What g++ said."""


def shared_library(text: str, flags: Sequence[str], mode: int = ctypes.DEFAULT_MODE) -> ctypes.CDLL:
    """The library of a text of C++; BuildError if it does not compile."""
    digest = hashlib.sha256("\n".join([text, *flags]).encode()).hexdigest()[:20]
    library = FOLDER / f"{digest}.so"
    if not library.exists():
        FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = library.with_suffix(f".{os.getpid()}.tmp")
        command = ["g++", "-x", "c++", *flags, "-", "-o", str(scratch)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(done.stderr)
        os.replace(scratch, library)
    return ctypes.CDLL(str(library), mode)
