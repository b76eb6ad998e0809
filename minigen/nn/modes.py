"""The mode of a Module, training or evaluation; and blocks in which the modes that a thread sets are its own.

``with module.evaluation():`` is such a block: several threads can use one network, each in its block, and another one
that trains it meanwhile finds it in training mode.

Imports: nothing. Read next: ``module.py``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any


class _Own(threading.local):
    modes: dict[int, bool] = {}  # by id of a Module: its mode for this thread, where that is not the Module's


_own = _Own()


class Mode:
    """The attribute `training` of a Module: True unless it was set."""

    def __get__(self, module: object | None, owner: type) -> bool:
        return True if module is None else _own.modes.get(id(module), vars(module).get("training", True))

    def __set__(self, module: object, mode: bool) -> None:
        if id(module) in _own.modes:
            _own.modes[id(module)] = mode
        else:
            vars(module)["training"] = mode


@contextlib.contextmanager
def thread_local_modes(modules: Iterable[Any]) -> Iterator[None]:
    """Inside ``with``: setting the mode of one of these Modules counts in this thread, and ends with the block."""
    held, before = list(modules), _own.modes  # held, because an id is that of one object only while it lives
    _own.modes = before | {id(module): module.training for module in held}
    try:
        yield
    finally:
        _own.modes = before
