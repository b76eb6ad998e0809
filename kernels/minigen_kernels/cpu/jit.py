"""How this room compiles: Numba's `njit` with a cache on disk, and the one set of float liberties it takes.

A cached kernel is compiled once per machine and dtype, then loaded in milliseconds. Numba keys the
cache by the file of the kernel alone, so a helper lives in the same file as its callers: after a
change elsewhere the cache would keep serving the old machine code. Copy an array in a loop, not by
``a[:] = b``: with that comes the message of a misfit, and compiling Numba's strings takes seconds.

Imports: Numba. Read next: ``conv.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

#: What LLVM may do to floating point: fuse a multiply and an add, reorder a sum (so that it can be
#: vectorised), ignore the sign of zero, multiply by a reciprocal. The flags "nnan" and "ninf" are
#: left out on purpose: with them LLVM deletes checks for NaN, and a NaN must reach the user.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def njit_cached(**options: Any) -> Callable[[F], F]:
    """A decorator like ``numba.njit(cache=True, **options)`` that also works without a cache folder.

    In a read-only installation without a home folder Numba refuses to make a cached function; then
    this one compiles in memory, once per process.
    """

    def decorate(function: F) -> F:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            return numba.njit(**options)(function)

    return decorate
