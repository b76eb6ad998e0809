"""The disk cache of compiled kernels: Numba's cache with atomic, checksummed files.

Numba keeps an index and numbered files for each function. This has three problems: an index emptied by a power cut ends
every later process; two processes that compile one function for two dtypes at once may mix up the code; changes in
other source files are not noticed. Here each function and tuple of argument types has one file, which is written under
a temporary name and then renamed. It starts with two digests: of the sources and compilers, and of the content.

* A file made from other sources or by another Numba is replaced silently.
* A damaged file is replaced with a warning.
* If nothing can be written, every process compiles for itself. There is a warning if the folder exists.

Each message is logged once per process, to the logger ``minigen_kernels.cpu``.

Imports: Numba. Read next: ``jit.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call, misc, import-untyped"

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

ROOM = Path(__file__).parent
DIGEST = hashlib.sha256().digest_size
LOG = logging.getLogger("minigen_kernels.cpu")


def made_elsewhere(path: Path) -> bool:
    """Whether another process has made this missing file meanwhile; ``../ahead.py`` puts a function here that waits."""
    return False


class KernelCache(FunctionCache):
    """The compiled code of one function: a file for each set of types that it was called with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raise RuntimeError if there is no folder that Numba could write to."""
        super().__init__(function)
        self._stamp = digest(repr(sources()).encode(), self._impl.locator.get_source_stamp())

    def _load_overload(self, types: Any, target_context: Any) -> Any:
        """The cached code for arguments of these types; None if it has to be compiled."""
        path = self._path(types, target_context.codegen())
        code = self._read(path, target_context)
        if code is None:
            log_once(logging.INFO, "compiling kernels, once")
            if made_elsewhere(path):
                code = self._read(path, target_context)
        return code

    def _read(self, path: Path, target_context: Any) -> Any:
        """The code in a file; None if it has to be compiled."""
        try:
            kept = path.read_bytes()
            stamp, checksum, payload = kept[:DIGEST], kept[DIGEST : 2 * DIGEST], kept[2 * DIGEST :]
            if digest(payload) != checksum:
                raise ValueError("damaged")
            if stamp == self._stamp:
                return self._impl.rebuild(target_context, pickle.loads(payload))
        except FileNotFoundError:
            pass
        except Exception as error:  # whatever is wrong, the file can be made again
            log_once(logging.WARNING, "a compiled kernel cannot be used, it is compiled anew", f"{path}: {error}")
        return None

    def _save_overload(self, types: Any, compiled: Any) -> None:
        """Write the code compiled for arguments of these types, if possible."""
        if not self._impl.check_cachable(compiled):
            return
        path = self._path(types, compiled.codegen)
        aside = path.with_name(f"{path.name}.tmp.{uuid.uuid4().hex[:16]}")
        payload = dumps(self._impl.reduce(compiled))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(aside, "xb") as file:
                file.write(self._stamp + digest(payload) + payload)
            os.replace(aside, path)
        except OSError as error:
            log_once(logging.WARNING, "compiled kernels cannot be kept", f"{path.parent}: {error.strerror or error}")
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()

    def keeps(self, types: Any, codegen: Any) -> bool:
        """Whether there is a file for arguments of these types, made from the sources of today."""
        try:
            with open(self._path(types, codegen), "rb") as file:
                return file.read(DIGEST) == self._stamp
        except OSError:
            return False

    def _path(self, types: Any, codegen: Any) -> Path:
        """The file for these types on this processor."""
        key = digest(repr(self._index_key(types, codegen)).encode()).hex()[:16]
        return Path(self._cache_path) / f"{self._impl.filename_base}.{key}.nbc"


class NoCache(NullCache):
    """No cache, for a read-only installation and a user without a home folder."""

    def load_overload(self, types: Any, target_context: Any) -> None:
        """Log that there is no cache."""
        log_once(logging.INFO, "compiling kernels, in every process: there is no folder to keep them in")


@functools.cache
def sources() -> tuple[object, ...]:
    """What compiled code depends on besides the file of its function: the compilers, and all files of this folder."""
    files = [(path.name, digest(path.read_bytes())) for path in sorted(ROOM.glob("*.py"))]
    return numba.__version__, llvmlite.__version__, *files


def digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


logged: set[str] = set()


def log_once(level: int, what: str, where: str = "") -> None:
    """Log a line, once per process for each `what`."""
    if what not in logged:
        logged.add(what)
        LOG.log(level, "%s", f"{what}: {where}" if where else what)
