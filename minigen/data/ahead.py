"""Do things ahead of time on worker threads, in order, and never too many: `read_ahead`.

Imports: the standard library. Read next: ``stored.py`` and ``batches.py``, which read images with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 2  # threads that read and decode, unless asked otherwise


def read_ahead(function: Callable[[T], R], tasks: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """``map(function, tasks)``: the results in order, made by `workers` threads ahead of time; by none for 0.

    At most ``workers + 1`` results are being made or wait, so memory is bounded. What `function` raises is raised here
    in its turn. However the iteration ends, no thread is left.
    """
    if workers == 0:
        yield from map(function, tasks)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="minigen-data") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
