"""Ranks on one machine: what they combine lies in memory that all of them see, and MPI only says when it is there.

Each rank packs its vectors into its own part of a window, waits for the others, and adds straight from theirs: no
message is sent, and nothing is copied that need not be. There are two parts, used in turn: a rank writes into one while
a slower one may still read the other. Where the system has no room for that, MPI sends messages.

Imports: communicator, mpi; mpi4py. Read next: ``replicas.py``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from minigen.device import device_of, to_device
from minigen.distributed.communicator import SMALL, Fold, Rows
from minigen.distributed.mpi import Mpi
from minigen_kernels import Array

FEW = 4  # ranks up to which each adds all; more of them add a piece each, and fetch those of the others
LEAST = 1 << 20  # bytes of the first window
SYSTEM = "/dev/shm"  # where Linux keeps memory that processes share; in a container it may be small


class SharedMpi(Mpi):
    """The ranks of a communicator of mpi4py's, all of them on one machine."""

    def __init__(self, mpi: Any, world: Any = None) -> None:
        super().__init__(mpi, world)
        self._window: Any = None
        self._parts: list[Array] = []  # of each rank (2, bytes)
        self._turn, self._bytes, self._too_much = 0, 0, sys.maxsize  # bytes for which there was no room

    def describe(self) -> str:
        return f"{super().describe()}{', shared memory' if self.nccl is None else ''}"

    def room(self, k: int, m: int, dtype: Any, like: Array) -> Array:
        if device_of(like) != "cpu" or not self._reserve((k + 1) * m * np.dtype(dtype).itemsize):
            return super().room(k, m, dtype, like)
        return self._rows(self.rank, k, m, dtype)

    def _combine(self, vectors: Array, fold: Fold) -> Array:
        (k, m), dtype = vectors.shape, vectors.dtype
        if self.nccl is not None and device_of(vectors) == "cuda":
            return super()._combine(vectors, fold)
        if not self._reserve((k + 1) * vectors.nbytes // k):
            return super()._combine(vectors, fold)
        mine = self._rows(self.rank, k, m, dtype)
        if mine.ctypes.data != getattr(vectors, "ctypes", mine.ctypes).data or device_of(vectors) != "cpu":
            mine[...] = to_device(vectors, "cpu")
        self.bytes += vectors.nbytes
        self._meet()
        rows: Rows = [row for rank in range(self.size) for row in self._rows(rank, k, m, dtype)]
        if self.size <= FEW or m * dtype.itemsize <= SMALL:
            folded = fold(rows)
            folded = folded.copy() if folded.base is not None else folded
        else:
            piece = -(-m // self.size)
            part = slice(self.rank * piece, (self.rank + 1) * piece)
            self._rows(self.rank, 1, m, dtype, after=k)[0, part] = fold([row[part] for row in rows])
            self._meet()
            folded = np.empty(m, dtype)
            for rank in range(self.size):
                part = slice(rank * piece, (rank + 1) * piece)
                folded[part] = self._rows(rank, 1, m, dtype, after=k)[0, part]
        self._turn = 1 - self._turn
        return to_device(folded, device_of(vectors))

    def _rows(self, rank: int, k: int, m: int, dtype: Any, after: int = 0) -> Array:
        """Rows of the part that it is the turn of, of that rank: (k, m), behind so many others."""
        size = np.dtype(dtype).itemsize
        part: Array = self._parts[rank][self._turn]
        return part[after * m * size : (after + k) * m * size].view(dtype).reshape(k, m)

    def _reserve(self, needed: int) -> bool:
        """Let each rank have two parts of so many bytes; False if there is no room for them.

        All ranks need the same, so all make a new window together.
        """
        if needed <= self._bytes or needed >= self._too_much:
            return needed <= self._bytes
        size = max(LEAST, 1 << (needed - 1).bit_length())
        if not self.broadcast(_is_room(2 * size * self.size)):
            self._too_much = needed
            return False
        self._bytes = size
        before = self._window
        self._window = self.mpi.Win.Allocate_shared(2 * self._bytes, 1, comm=self.world)
        self._window.Lock_all(self.mpi.MODE_NOCHECK)
        self._parts = []
        for rank in range(self.size):
            buffer, _ = self._window.Shared_query(rank)
            self._parts.append(np.frombuffer(buffer, np.uint8)[: 2 * self._bytes].reshape(2, -1))
        if before is not None:
            before.Unlock_all()
            before.Free()
        return True

    def _meet(self) -> None:
        """Wait until all ranks have come here, and see what they have written."""
        self._window.Sync()
        self._finish(self.world.Ibarrier())
        self._window.Sync()


def _is_room(needed: int) -> bool:
    """Has the system so many bytes to share? One that writes where there are none is killed (bus error)."""
    try:
        free = os.statvfs(SYSTEM)
    except (OSError, AttributeError):  # not Linux: it will say so itself
        return True
    return free.f_bavail * free.f_frsize >= needed
