"""The mode of a Module, training or evaluation, and a context manager that makes changes of it thread-local.

``with module.evaluation():`` uses it: several threads can evaluate one network while another thread trains it.

Imports: nothing. Read next: ``module.py``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any


class _ThreadModes(threading.local):
    modes: dict[int, bool] = {}  # id of a Module -> its mode in this thread


_thread = _ThreadModes()


def modes_of_thread() -> frozenset[tuple[int, bool]]:
    """The modes of Modules, by their ids, that hold in this thread only."""
    return frozenset(_thread.modes.items())


class Mode:
    """The attribute `training` of a Module, True by default."""

    def __get__(self, module: object | None, owner: type) -> bool:
        return True if module is None else _thread.modes.get(id(module), vars(module).get("training", True))

    def __set__(self, module: object, mode: bool) -> None:
        if id(module) in _thread.modes:
            _thread.modes[id(module)] = mode
        else:
            vars(module)["training"] = mode


@contextlib.contextmanager
def thread_local_modes(modules: Iterable[Any]) -> Iterator[None]:
    """Inside ``with``: the mode of these Modules is set for this thread only, and until the end of the block."""
    held, before = list(modules), _thread.modes  # held: ids of deleted objects are reused
    _thread.modes = before | {id(module): module.training for module in held}
    try:
        yield
    finally:
        _thread.modes = before
