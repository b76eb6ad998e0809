"""What the code of a function tells: whose it is, and which names it uses.

Imports: Python alone. Read next: ``host.py``.
"""

from __future__ import annotations

import contextlib
import dis
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

LIBRARIES = {"minigen", "minigen_kernels", "numpy", "cupy", *sys.stdlib_module_names} - {"__main__"}


def _home(x: Any) -> str:
    """The name of the module that it is, or is defined in."""
    return x.__name__ if isinstance(x, types.ModuleType) else str(x.__module__)


def is_of_a_library(x: Any) -> bool:
    """Whether a function, class or module is of minigen, of Python or of arrays, which have no numbers that change."""
    return _home(x).partition(".")[0] in LIBRARIES


def is_own_module(x: Any) -> bool:
    """Whether it is a module, and not of a library."""
    return isinstance(x, types.ModuleType) and not is_of_a_library(x)


def bound(f: types.FunctionType) -> Iterator[tuple[str, Any, Any]]:
    """The names in the closure of a function, their cells, and what these hold; but for what is not bound yet."""
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
        with contextlib.suppress(ValueError):
            yield name, cell, cell.cell_contents


def is_installed(x: Any) -> bool:
    """Whether a function, class or module is of a library: as above, or of another package that is installed."""
    file = getattr(sys.modules.get(_home(x)), "__file__", None) or ""
    return is_of_a_library(x) or "site-packages" in file or "dist-packages" in file


class Names(NamedTuple):
    """Names in the code of a function: of global variables, of attributes and imports too, and texts that may be."""

    variables: set[str]
    attributes: set[str]
    texts: set[str]


def names_in(code: types.CodeType) -> Names:
    """The names in the code of a function, functions inside of it included."""
    inside = [names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    loaded = {x.argval for x in dis.get_instructions(code) if x.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    texts = {c for c in code.co_consts if isinstance(c, str)}
    return Names(*(own.union(*found) for own, *found in zip((loaded, set(code.co_names), texts), *inside)))
