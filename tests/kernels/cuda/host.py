"""How the tests run the kernels of the CUDA room on the host: each call twice, with the threads in both orders.

Read next: ``test_host_elementwise.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import cuda
from minigen_kernels.calls import NAMES
from minigen_kernels.cuda.launch import using
from minigen_kernels.host.build import HostBackend


class Host:
    """`host.run(cuda.conv2d, x, w, ...)`: what the wrapper returns, checked for races and side effects."""

    def __init__(self, folder: Path) -> None:
        self.backends = [HostBackend(folder, order) for order in (0, 1)]

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function` with threads forward and in reverse; require the same bits and untouched arguments.

        An optimizer update changes its arguments and returns None: then the list of its arrays, as changed, is the
        result, and the caller's own stay as they are.
        """
        in_place = function.__name__.endswith("_update")
        produced = []
        for backend in self.backends:
            mine = [a.copy() if isinstance(a, np.ndarray) and in_place else a for a in arguments]
            before = [a.tobytes() for a in arguments if isinstance(a, np.ndarray)]
            with using(backend):
                returned = function(*mine)
            assert before == [a.tobytes() for a in arguments if isinstance(a, np.ndarray)], "an argument was changed"
            produced.append([a for a in mine if isinstance(a, np.ndarray)] if in_place else returned)
        forward, reverse = (a if isinstance(a, list | tuple) else [a] for a in produced)
        for a, b in zip(forward, reverse, strict=True):
            assert a.tobytes() == b.tobytes(), f"{function.__name__}: the result depends on the order of the threads"
        return produced[0]


class HostRoom:
    """The CUDA room as a room of the CPU: the same names, on NumPy arrays, for tests that go through all rooms."""

    __name__ = cuda.__name__

    def __init__(self, folder: Path) -> None:
        backend = HostBackend(folder)
        for name in NAMES:
            setattr(self, name, _on(backend, getattr(cuda, name)))


def _on(backend: HostBackend, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        with using(backend):
            return function(*arguments)

    return run
