"""The functions of the double's namespaces: `@function` puts one into `cupy`, `@linalg` into `cupy.linalg`.

Every call is bound to the signature of the real function first (interface.json), so that an argument that CuPy does
not have is a TypeError here too. What is missing says so when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, Callable[..., Any]] = {}
LINALG: dict[str, Callable[..., Any]] = {}


def function(f: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[f.__name__.rstrip("_")] = f
    return f


def linalg(f: Callable[..., Any]) -> Callable[..., Any]:
    LINALG[f.__name__.rstrip("_")] = f
    return f
