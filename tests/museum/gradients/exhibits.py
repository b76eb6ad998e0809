"""The gradient museum: broken layers, each a mistake that somebody made, and right ones that are hard for a checker.

One file is one exhibit. It states `case(rng) -> fn, inputs`, so that each seed gives other shapes and numbers, and

* ``VERDICT``: what the checker has to say. Right exhibits leave it out: "OK".
* ``KIND``: the explanation that has to come first; a tuple where several are true, "" where none of the simple ones is.
* ``ORDER``: up to which order it is checked, 1 unless stated. A wrong one has to pass all orders before.
* ``FAILS_AT``: the order at which it fails, if that is another one.

The docstring of a wrong exhibit says what the mistake is and names the thread in which it was found.

Imports: nothing of minigen. Read next: ``wrong/softmax_keeps_the_diagonal.py``, ``test_gradient_museum.py``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
Case = Callable[[np.random.Generator], tuple[Callable[..., Any], list[Any]]]


@dataclass(frozen=True)
class Exhibit:
    """One file of the museum. `wrong`: in which of the two rooms it stands. `text`: its docstring."""

    name: str
    wrong: bool
    text: str
    case: Case
    verdict: str
    kinds: tuple[str, ...]
    order: int
    fails_at: int

    def draw(self, seed: int) -> tuple[Callable[..., Any], list[Any]]:
        """The function and its inputs for this seed."""
        return self.case(np.random.default_rng(seed))


def room(name: str) -> list[Exhibit]:
    """All exhibits of the room "wrong" or "right"."""
    return [_load(path) for path in sorted((HERE / name).glob("*.py"))]


def _load(path: Path) -> Exhibit:
    spec = importlib.util.spec_from_file_location(f"exhibit_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds, order = getattr(module, "KIND", ""), getattr(module, "ORDER", 1)
    return Exhibit(
        name=path.stem,
        wrong=path.parent.name == "wrong",
        text=module.__doc__ or "",
        case=module.case,
        verdict=getattr(module, "VERDICT", "OK"),
        kinds=(kinds,) if isinstance(kinds, str) else kinds,
        order=order,
        fails_at=getattr(module, "FAILS_AT", order),
    )
