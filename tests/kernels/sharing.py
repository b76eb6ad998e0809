"""Kernels with several threads in tests, on any machine: also with more threads than cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from minigen_kernels.cpu import workers


@contextlib.contextmanager
def sharing(n: int) -> Iterator[None]:
    """Inside, kernels use n threads, as many as there may be cores."""
    before = workers.threads()
    workers.POOL.set_threads(n, os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ())
    try:
        yield
    finally:
        workers.POOL.set_threads(before, ())
