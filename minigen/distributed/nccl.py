"""Arrays on GPUs, one GPU a rank: NCCL moves them from one to another, and never adds, as its sums have no fixed order.

No GPU has seen this yet: it was run on the double of CuPy in ``tests/cuda_double``.

Imports: device; CuPy. Read next: ``mpi.py``.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Array


class Nccl:
    """The GPUs of all ranks. Work is put on the current stream, and nobody waits for it."""

    def __init__(self, rank: int, size: int, identity: Any) -> None:
        """Called by all ranks together; `identity` is what `get_unique_id` of NCCL has given to one of them."""
        self.size, self._cupy, self._nccl = size, importlib.import_module("cupy"), _library()
        self._ranks = self._nccl.NcclCommunicator(size, identity, rank)

    def all_gather(self, block: Array) -> Array:
        """The blocks (...) of all ranks: (size, ...)."""
        mine = self._cupy.ascontiguousarray(block)
        found: Array = self._cupy.empty((self.size, *mine.shape), mine.dtype)
        self._ranks.allGather(*self._addresses(mine, found), mine.nbytes, self._nccl.NCCL_UINT8, self._stream)
        return found

    def all_to_all(self, blocks: Array) -> Array:
        """Row j of `blocks` (size, m) goes to rank j; row j of the result is what rank j sent here."""
        mine = self._cupy.ascontiguousarray(blocks)
        found: Array = self._cupy.empty_like(mine)
        start, end = self._addresses(mine, found)
        step = mine.nbytes // self.size
        self._nccl.groupStart()  # all at once: else the first to send would wait for one that sends, too
        for j in range(self.size):
            self._ranks.send(start + j * step, step, self._nccl.NCCL_UINT8, j, self._stream)
            self._ranks.recv(end + j * step, step, self._nccl.NCCL_UINT8, j, self._stream)
        self._nccl.groupEnd()
        return found

    @property
    def _stream(self) -> int:
        return int(self._cupy.cuda.get_current_stream().ptr)

    @staticmethod
    def _addresses(*arrays: Any) -> list[int]:
        return [array.data.ptr for array in arrays]


def connect(rank: int, gather: Callable[[Any], list[Any]], host: str) -> Nccl | None:
    """NCCL between the ranks' current GPUs; called by all, whose `gather` gives everybody what each says.

    None, on all of them, where one has no NCCL (or MINIGEN_NCCL=0), or two share a GPU, which NCCL refuses.
    """
    own, identity = None, None
    library = _library()
    if library is not None:
        own = host, _uuid()
        identity = library.get_unique_id() if rank == 0 else None
    found = gather((own, identity))
    places = [place for place, _ in found]
    if None in places or len({*places}) < len(places):
        return None
    return Nccl(rank, len(found), found[0][1])


def _library() -> Any:
    """CuPy's module for NCCL; None if it lacks the library, or is asked not to use it."""
    if os.environ.get("MINIGEN_NCCL") == "0":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without the library it is a module that warns and has nothing in it
        try:
            module = importlib.import_module("cupy.cuda.nccl")
        except ImportError:
            return None
    return module if getattr(module, "available", False) else None


def _uuid() -> bytes:
    """What no other GPU has."""
    runtime = importlib.import_module("cupy").cuda.runtime
    return np.frombuffer(runtime.getDeviceProperties(runtime.getDevice())["uuid"], np.uint8).tobytes()
