"""CUDA graphs: all that a function launches, recorded once and launched again as a whole.

A launch costs the host microseconds, a graph of hundreds of launches about as much as one. What is recorded stays as
it is: kernels, scalars, addresses. So a `Recorder` has memory of its own, in which nothing but the graph works. Its
`Lane` is a stream of its own, since the default stream cannot be captured, with a cuBLAS handle. Steps without a graph
run there, too, so that products are rounded by one rule.

The graphs are those of CuPy: `Stream.begin_capture`, `Stream.end_capture`, `Graph.launch`.

Imports: NumPy; CuPy when a lane is made; ``cublas.py``. Read next: ``random.py``, `offsets`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from minigen_kernels.cuda.backend import Backend, Dim3
from minigen_kernels.cuda.cublas import Handle
from minigen_kernels.cuda.gemm import using_handle
from minigen_kernels.cuda.launch import backend_here, using
from minigen_kernels.cuda.optim import numbers
from minigen_kernels.cuda.random import Offset, offsets
from minigen_kernels.cuda.source import Program, kernels

__all__ = ["Lane", "Launch", "Offset", "Recorder", "first_difference", "numbers", "offsets"]
T = TypeVar("T")


class Launch(NamedTuple):
    """A launch of one of our kernels: its name, its sizes, and its numbers by name.

    Addresses are left out, and numbers that may come from the device instead: what stands before a parameter whose name
    ends in ``_or_null``.
    """

    kernel: str
    grid: Dim3
    block: Dim3
    numbers: tuple[tuple[str, Any], ...]


class _Watching:
    """A backend that writes down what it is asked to launch. All that it does is done by another one."""

    def __init__(self, backend: Backend, launches: list[Launch]) -> None:
        self.backend, self.launches = backend, launches

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def run(self, program: Program, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Any]) -> None:
        parameters = kernels(program.file)[kernel].parameters
        moving = next((i for i, parameter in enumerate(parameters) if parameter.name.endswith("_or_null")), 0)
        named = list(zip(parameters, arguments))[moving:]
        numbers = tuple((parameter.name, x.item()) for parameter, x in named if isinstance(x, np.generic))
        self.launches.append(Launch(kernel, grid, block, numbers))
        self.backend.run(program, kernel, grid, block, arguments)


def first_difference(before: Sequence[Launch], now: Sequence[Launch]) -> str | None:
    """What differs between the launches of two steps, in one line; None if nothing does."""
    for a, b in zip(before, now):
        if a.kernel != b.kernel:
            return f"one step launched {a.kernel} where the next launched {b.kernel}"
        if (a.grid, a.block) != (b.grid, b.block):
            return f"kernel {a.kernel}: {a.grid} blocks of {a.block} in one step, {b.grid} of {b.block} in the next"
        for (name, x), (_, y) in zip(a.numbers, b.numbers):
            if x != y and not (x != x and y != y):
                return f"kernel {a.kernel}: argument {name} changed from {x!r} to {y!r} from one step to the next"
    if len(before) != len(now):
        return f"one step launched {len(before)} kernels, the next {len(now)}"
    return None


class Lane:
    """Where all steps of a captured function run: a stream and a cuBLAS handle. RuntimeError if cuBLAS is not found."""

    def __init__(self) -> None:
        self._cupy = importlib.import_module("cupy")
        self.stream = self._cupy.cuda.Stream(non_blocking=True)
        self.handle = Handle(self.stream)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Inside of the ``with`` block, launches go to this stream; before and after it they go on where they were."""
        outer = self._cupy.cuda.get_current_stream()
        self.stream.wait_event(outer.record())
        try:
            with using_handle(self.handle), self.stream:
                yield
        finally:
            outer.wait_event(self.stream.record())

    def run(self, function: Callable[[], T]) -> T:
        """Call it here."""
        with self.here():
            return function()


class Recorder:
    """What records a graph: a lane, and memory in which nothing else works."""

    def __init__(self, lane: Lane) -> None:
        cupy = importlib.import_module("cupy")
        self.lane, self.pool, self._allocator = lane, cupy.cuda.MemoryPool(), cupy.cuda.using_allocator

    def run(self, function: Callable[[], T]) -> tuple[T, list[Launch]]:
        """Call it, with the recorder's memory; return its result, and what it launched of our kernels."""
        launches: list[Launch] = []
        with self._ours(launches):
            return function(), launches

    def record(self, function: Callable[[], None]) -> tuple[Any, list[Launch]]:
        """Call it and record what it launches, which does not run; return the graph, and what it holds of ours."""
        launches: list[Launch] = []
        stream = self.lane.stream
        with self._ours(launches):
            stream.begin_capture()
            try:
                function()
            except BaseException:
                with contextlib.suppress(Exception):  # the error that ended the capture is the one to tell
                    stream.end_capture()
                raise
            return stream.end_capture(), launches

    def used_bytes(self) -> int:
        """Memory of the recorder that is in use."""
        used: int = self.pool.used_bytes()
        return used

    @contextmanager
    def _ours(self, launches: list[Launch]) -> Iterator[None]:
        watching = using(cast(Backend, _Watching(backend_here(), launches)))
        with self.lane.here(), watching, self._allocator(self.pool.malloc):
            yield
