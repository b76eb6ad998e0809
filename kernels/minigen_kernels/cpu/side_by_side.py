"""Calls of NumPy side by side: for products by BLAS, which is held to one thread for the sake of the bits.

NumPy leaves the interpreter's lock while it multiplies. To hand a call to another thread of Python takes some 50 us, so
this is for products of a millisecond and more; what is compiled here uses ``threads.py``.

Imports: workers. Read next: ``spectral.py``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from minigen_kernels.cpu import workers


def side_by_side(work: Callable[[slice], None], slices: Iterable[slice]) -> None:
    """Call `work` for each slice, in as many threads as kernels use. No call may read what another one writes.

    When this returns or raises an error, no call is under way any more; after an error, no other slice is begun.
    """
    todo = list(slices)
    others = min(workers.threads(), len(todo)) - 1
    todo.reverse()

    def take() -> None:
        while todo:
            try:
                here = todo.pop()
            except IndexError:  # another thread took the last one
                return
            try:
                work(here)
            except BaseException:
                todo.clear()
                raise

    helping = [_executor(workers.threads(), os.getpid()).submit(take) for _ in range(others)]
    try:
        take()
    finally:
        begun = [future for future in helping if not future.cancel()]  # the others are not needed any more
        wait(begun)
    for future in begun:
        future.result()


@functools.lru_cache(1)
def _executor(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of Python; a forked process needs its own."""
    return ThreadPoolExecutor(max(1, threads - 1), "minigen product")
