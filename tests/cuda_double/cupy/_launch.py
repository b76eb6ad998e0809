"""What passes to the device passes through here: launches, transfers and waits, and what a capturing stream says.

A launch is a function without arguments that writes device memory. On an idle stream it runs at once; on a capturing
one it is kept for the graph and does not run, as in CUDA, so that what it would write stays NaN until a replay.

Read in CuPy 14.2.0: cupy/cuda/memory.pyx:608-694 (transfers), cupy/cuda/stream.pyx:350-441 (capture),
cupy_backends/cuda/libs/cublas.pyx:642 and cusolver.pyx:1498 (libraries), cupy_backends/cuda/api/runtime.pyx:1036
(streamIsCapturing). What CUDA itself refuses: CUDA C++ Programming Guide, "Stream Capture, Prohibited and Unhandled
Operations", and CuPy's own tests/cupy_tests/cuda_tests/test_graph.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._errors import CUDARuntimeError
from ._ledger import record

Work = Callable[[], None]
ACTIVE = "active"
INVALID = "invalidated"


class Capture:
    """The graph that a stream and those that wait for its events are filling."""

    def __init__(self, origin: Any, mode: int) -> None:
        self.origin, self.mode, self.state = origin, mode, ACTIVE
        self.nodes: list[Work] = []
        self.blocks: dict[int, Any] = {}  # device memory that the nodes name, by identity
        self.unjoined: set[Any] = set()  # streams with work that the origin has not waited for

    def add(self, stream: Any, work: Work) -> None:
        self.nodes.append(work)
        for block in _blocks(work):
            self.blocks[id(block)] = block
        if stream is not self.origin:
            self.unjoined.add(stream)


class _Thread(threading.local):
    """The current stream and allocator of each thread; `stream.py` puts the null stream here."""

    null: Any = None

    def __init__(self) -> None:
        self.stack: list[Any] = [_Thread.null]
        self.allocators: list[Any] = []
        self.replaying = False  # a graph
        self.device = 0  # CUDA begins each thread with the first


thread = _Thread()
captures: set[Capture] = set()  # those that have begun and not ended
#: Device memory by the identity of the host array that stands for it (`memory.py`).
blocks_of_host: dict[int, Any] = {}


def current_stream() -> Any:
    return thread.stack[-1]


def _blocks(work: Any, depth: int = 0) -> Iterator[Any]:
    """The device memory that a launch names: what its closure holds, to the base of every view."""
    if isinstance(work, np.ndarray):
        while isinstance(work.base, np.ndarray):
            work = work.base
        if id(work) in blocks_of_host:
            yield blocks_of_host[id(work)]
    elif isinstance(work, list | tuple):
        for part in work:
            yield from _blocks(part, depth)
    elif hasattr(work, "_mem"):
        raise AssertionError("double: a launch that keeps its operands alive; let it hold their `_a`")
    elif callable(work) and depth < 4:
        for cell in getattr(work, "__closure__", None) or ():
            yield from _blocks(cell.cell_contents, depth + 1)


def capture_of(stream: Any) -> Capture | None:
    """The capture that takes what is launched on `stream`; raises what CUDA raises where it may not be used at all."""
    if stream.ptr == 0:
        for capture in captures:
            if not capture.origin.is_non_blocking:
                capture.state = INVALID
                raise CUDARuntimeError(906)
        return None
    capture: Capture | None = stream._capture
    if capture is not None and capture.state == INVALID:
        raise CUDARuntimeError(901)
    return capture


def is_capturing(stream: Any) -> bool:
    """runtime.streamIsCapturing."""
    if stream.ptr == 0:
        if any(not capture.origin.is_non_blocking for capture in captures):
            raise CUDARuntimeError(906)
        return False
    capture = stream._capture
    if capture is not None and capture.state == INVALID:
        raise RuntimeError("the stream was capturing, but an error has invalidated the capture sequence")
    return capture is not None


def unsafe() -> None:
    """A call that may wait for the device, cudaMalloc or cudaFree: relaxed captures, CuPy's default, allow it."""
    for capture in captures:
        if capture.mode != 2:  # streamCaptureModeRelaxed
            capture.state = INVALID
            raise CUDARuntimeError(900)


def launch(kind: str, name: str, work: Work, n: int = 1, stream: Any = None) -> None:
    """Run `work`, which stands for `n` launches, or keep it for the graph of the capturing stream."""
    stream = stream or thread.stack[-1]
    capture = capture_of(stream) if captures else None
    if capture is None:
        record(kind, name, n)
        work()
    else:
        record("captured", name, n)
        capture.add(stream, work)


def library(kind: str, name: str, n: int = 1) -> None:
    """A library that CuPy does not let into a capture: cuBLAS, cuSOLVER. Counts the calls."""
    if captures and is_capturing(current_stream()):
        shown = {"cublas": "cuBLAS", "cusolver": "cuSOLVER"}[kind]
        raise NotImplementedError(f"calling {shown} API during stream capture is currently unsupported")
    record(kind, name, n)


def to_device(name: str, n: int = 1, stream: Any = None) -> None:
    """A transfer from the host, through pinned memory: no wait."""
    if captures and is_capturing(stream or current_stream()):
        raise RuntimeError("the current stream is capturing, so H2D transfers are disallowed")
    record("h2d", name, n)


def to_host(name: str, stream: Any = None, blocking: bool = True) -> None:
    """A transfer to the host, which then waits."""
    if captures and is_capturing(stream or current_stream()):
        raise RuntimeError("the current stream is capturing, so D2H transfers are disallowed")
    record("d2h", name)
    if blocking:
        record("sync", name)


def wait(name: str, n: int = 1, stream: Any = None) -> None:
    """The host waits for a stream."""
    stream = stream or current_stream()
    if captures:
        capture = capture_of(stream)
        if capture is not None:
            capture.state = INVALID
            raise CUDARuntimeError(900)
    record("sync", name, n)


def wait_for_all(name: str) -> None:
    """The host waits for the device, which no capture of any stream survives."""
    for capture in captures:
        capture.state = INVALID
    if captures:
        raise CUDARuntimeError(900)
    record("sync", name)
