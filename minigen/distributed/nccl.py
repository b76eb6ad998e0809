"""Arrays on GPUs, one GPU a rank: NCCL moves them from one to another, and never adds, as its sums have no fixed order.

No GPU has seen this yet: it was run on the double of CuPy in ``tests/cuda_double``.

Imports: device. Read next: ``mpi.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from minigen.device import array_module, cuda_identity, cuda_nccl
from minigen_kernels import Array


class Nccl:
    """The GPUs of all ranks. Work is put on the current stream, and nobody waits for it."""

    def __init__(self, rank: int, size: int, identity: Any) -> None:
        """Called by all ranks together; `identity` is what `get_unique_id` of NCCL has given to one of them."""
        self.size, self._nccl = size, cuda_nccl()
        self._ranks = self._nccl.NcclCommunicator(size, identity, rank)

    def all_gather(self, block: Array) -> Array:
        """The blocks (...) of all ranks: (size, ...)."""
        xp = array_module(block)
        mine = xp.ascontiguousarray(block)
        found: Array = xp.empty((self.size, *mine.shape), mine.dtype)
        self._ranks.allGather(*_addresses(mine, found), mine.nbytes, self._nccl.NCCL_UINT8, _stream(xp))
        return found

    def all_to_all(self, blocks: Array) -> Array:
        """Row j of `blocks` (size, m) goes to rank j; row j of the result is what rank j sent here."""
        xp = array_module(blocks)
        mine = xp.ascontiguousarray(blocks)
        found: Array = xp.empty_like(mine)
        (start, end), step, stream = _addresses(mine, found), mine.nbytes // self.size, _stream(xp)
        self._nccl.groupStart()  # all at once: else the first to send would wait for one that sends, too
        for j in range(self.size):
            self._ranks.send(start + j * step, step, self._nccl.NCCL_UINT8, j, stream)
            self._ranks.recv(end + j * step, step, self._nccl.NCCL_UINT8, j, stream)
        self._nccl.groupEnd()
        return found


def _addresses(*arrays: Any) -> list[int]:
    return [array.data.ptr for array in arrays]


def _stream(cupy: Any) -> int:
    return int(cupy.cuda.get_current_stream().ptr)


def connect(rank: int, gather: Callable[[Any], list[Any]], host: str) -> Nccl | None:
    """NCCL between the ranks' current GPUs; called by all, whose `gather` gives everybody what each says.

    None, on all of them, where one has no NCCL (or MINIGEN_NCCL=0), or two share a GPU, which NCCL refuses.
    """
    own, identity = None, None
    library = None if os.environ.get("MINIGEN_NCCL") == "0" else cuda_nccl()
    if library is not None:
        own = host, cuda_identity()
        identity = library.get_unique_id() if rank == 0 else None
    found = gather((own, identity))
    places = [place for place, _ in found]
    if None in places or len({*places}) < len(places):
        return None
    return Nccl(rank, len(found), found[0][1])
