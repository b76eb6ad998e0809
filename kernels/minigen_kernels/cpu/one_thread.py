"""A context manager that limits BLAS to one thread.

The spectral convolution multiplies hundreds of small matrices. With several threads the overhead is larger than the
product, and BLAS sums in another order, so that the bits of a result would depend on the number of threads. The setting
is for the whole process: products in other threads use one thread too.

Imports: threadpoolctl. Read next: ``spectral.py``.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import lru_cache
from typing import Any

import threadpoolctl


class OneThread(ContextDecorator):
    """``with ONE_THREAD:``, or ``@ONE_THREAD`` before a function. What enters last but leaves first changes nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._limit = _libraries().limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()


ONE_THREAD = OneThread()


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """The BLAS libraries that this process has loaded, such as NumPy's; the search takes 10 ms."""
    return threadpoolctl.ThreadpoolController()
