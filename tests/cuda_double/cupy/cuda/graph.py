"""`cupy.cuda.Graph` (CuPy 14.2.0, cupy/cuda/graph.pyx): the launches of a capture, in order, on the same memory.

A graph names memory by its address and keeps none of it alive. Here as there, memory that was freed since and handed
out again is overwritten by a replay; memory that cudaFree took back is an illegal address, which the double reports at
the launch (a device would at the next wait, and would be lost).
"""

from __future__ import annotations

from typing import Any

from .. import _launch
from .._errors import CUDARuntimeError
from .._ledger import record
from .memory import PooledMemory, living


class Graph:
    """Made by `Stream.end_capture` only (graph.pyx:31)."""

    _nodes: list[Any]
    _blocks: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "currently this class cannot be initiated by the user and must be created via stream capture"
        )

    @classmethod
    def _of(cls, capture: _launch.Capture) -> Graph:
        graph = object.__new__(cls)
        graph._nodes, graph._blocks = capture.nodes, list(capture.blocks.values())
        return graph

    def launch(self, stream: Any = None) -> None:
        """Replay on `stream`, or the current one. Counts as one launch, of kind "graph"."""
        stream = stream or _launch.current_stream()
        if _launch.captures and _launch.capture_of(stream) is not None:
            raise NotImplementedError("double: a graph inside of a graph")
        if any(block.freed for block in self._blocks):
            raise CUDARuntimeError(700)
        record("graph", "launch")
        _launch.thread.replaying = True  # what is a guard zone now may have been memory of another size before
        try:
            for node in self._nodes:
                node()
        finally:
            _launch.thread.replaying = False
            for memory in living():  # guards that a launch wrote over while there was other memory
                if isinstance(memory, PooledMemory) and memory.ptr and memory.chunk.block in self._blocks:
                    memory.guard()

    def upload(self, stream: Any = None) -> None:
        record("graph", "upload")
