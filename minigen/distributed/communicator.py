"""What ranks say to each other: `Communicator`, and `combine`, which makes one array of those of all replicas.

Addition of floats depends on its order, and MPI's and NCCL's own sums choose it by length, number of ranks and version.
So here collectives only move data. `combine` hands each element of all replicas, in the order of their numbers, to a
function; which rank does that for which element changes nothing. No maximum decides anything.

Imports: NumPy, device. Read next: ``replicas.py``, ``mpi.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.device import array_module
from minigen_kernels import Array

Rows = Array | Sequence[Array]
Fold = Callable[[Rows], Array]  # R arrays (m,), of the replicas in their order -> (m,), element by element
BLOCK = 1 << 14  # numbers that are added at a time
SMALL = 1 << 16  # bytes of a replica up to which every rank gets all and folds all: one exchange in the place of two


class RankEnded(RuntimeError):  # noqa: N818 - the name says what happened
    """A rank waits for others of which one has ended: the ranks did not make the same calls."""

    def __init__(self, rank: int, ended: int) -> None:
        super().__init__(
            f"rank {ended} has ended, and rank {rank} waits for it: every rank makes the same calls in the same order"
        )


class Communicator:
    """A process among `size` of them, with the number `rank`. This class is the one that is alone.

    Every collective is called by all ranks in the same order, with arrays of the same shape and dtype.
    """

    rank, size = 0, 1

    def __init__(self) -> None:
        self.bytes, self.seconds, self.calls = 0, 0.0, 0  # of `combine`: what a rank sent, and how long it took
        self.waited = 0.0  # seconds of that in which this rank had nothing to do
        self._idle = 0.0  # the same of all collectives

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank {self.rank} of {self.size})"

    def describe(self) -> str:
        """What connects the ranks, in words."""
        return "alone"

    # What another kind of communicator brings.

    def all_gather(self, block: Array) -> Array:
        """The blocks (m,) of all ranks: (size, m)."""
        return block[None]

    def all_to_all(self, blocks: Array) -> Array:
        """Row j of `blocks` (size, m) goes to rank j; row j of the result is what rank j sent here."""
        return blocks

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, on every rank. Any Python object, for what is rare."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """The value of rank 0."""
        return self.gather(value)[0]

    def abort(self, code: int) -> None:
        """End all ranks at once."""

    def on_death(self, advice: str) -> None:
        """What to say, if a rank dies, besides that."""

    def room(self, k: int, m: int, dtype: Any, like: Array) -> Array:
        """Where the vectors (k, m) of the next `combine` may be put together, in the kind of memory that `like` has."""
        room: Array = array_module(like).empty((k, m), dtype)
        return room

    def connect(self, places: Sequence[str]) -> None:
        """Say on which kind of device each rank has what it will combine, the same list on all ranks."""

    # What follows from that.

    def combine(self, vectors: Array, fold: Fold) -> Array:
        """`fold` of the vectors of all replicas. `vectors` (k, m) are those of the k replicas of this rank.

        Rank r has the replicas r k to (r + 1) k - 1. The result (m,) has the same bits on every rank, and for any
        number of ranks.
        """
        if self.size == 1:
            return fold(vectors)
        began, idle = time.perf_counter(), self._idle
        folded = self._combine(vectors, fold)
        self.seconds, self.calls = self.seconds + time.perf_counter() - began, self.calls + 1
        self.waited += self._idle - idle
        return folded

    def _combine(self, vectors: Array, fold: Fold) -> Array:
        (k, m), xp = vectors.shape, array_module(vectors)
        if m * vectors.itemsize <= SMALL:
            self.bytes += (self.size - 1) * vectors.nbytes
            return fold(self.all_gather(vectors.reshape(-1)).reshape(-1, m))
        piece = -(-m // self.size)
        blocks = xp.zeros((self.size, k, piece), vectors.dtype)
        for j in range(self.size):
            part = vectors[:, j * piece : (j + 1) * piece]
            blocks[j, :, : part.shape[1]] = part
        mine = fold(self.all_to_all(blocks.reshape(self.size, -1)).reshape(-1, piece))
        self.bytes += (self.size - 1) * (k + 1) * piece * vectors.itemsize
        whole: Array = self.all_gather(mine).reshape(-1)[:m]
        return whole


class Alone(Communicator):
    """The communicator of a process that nobody started together with others."""


def total(vectors: Rows, divisor: int = 1) -> Array:
    """((v0 + v1) + v2) + ...: the sum in the order of the replicas, and that divided; block by block, in the cache."""
    if len(vectors) == 1:
        return vectors[0]
    xp = array_module(vectors[0])
    result: Array = xp.empty_like(vectors[0])
    for start in range(0, len(result), BLOCK if xp is np else max(1, len(result))):
        block = slice(start, start + BLOCK if xp is np else None)
        part = result[block]
        xp.add(vectors[0][block], vectors[1][block], out=part)
        for v in vectors[2:]:
            part += v[block]
        if divisor > 1:
            part /= divisor
    return result


def mean(vectors: Rows) -> Array:
    """The sum in the order of the replicas, divided by their number."""
    return total(vectors, len(vectors))


def agreed(vectors: Rows) -> Array:
    """What all replicas have alike, as it is, NaN too; their mean where they differ, and of whole numbers the first.

    (Three times a number by three is not always that number.)
    """
    first, xp = vectors[0], array_module(vectors[0])
    if len(vectors) == 1 or first.dtype.kind != "f":
        return first
    same = xp.ones(first.shape, bool)
    for v in vectors[1:]:
        same &= (v == first) | ((v != v) & (first != first))
    result: Array = xp.where(same, first, mean(vectors))
    return result


def pack(arrays: Sequence[Array], vector: Array) -> None:
    """Put the elements of arrays into a contiguous vector, each array in C order whatever its layout."""
    place = 0
    for a in arrays:
        vector[place : place + a.size].reshape(a.shape)[...] = a
        place += a.size


def each_apart(fold: Fold, kinds: Sequence[tuple[Any, int, int]]) -> Fold:
    """`fold` of vectors of bytes that hold numbers of several dtypes, each from one byte to another."""

    def folded(rows: Rows) -> Array:
        result = array_module(rows[0]).empty_like(rows[0])
        for dtype, start, stop in kinds:
            result[start:stop].view(dtype)[...] = fold([row[start:stop].view(dtype) for row in rows])
        return result

    return folded


def unpack(vector: Array, like: Sequence[Array]) -> list[Array]:
    """Views into a vector with the shapes of these arrays."""
    views, place = [], 0
    for a in like:
        views.append(vector[place : place + a.size].reshape(a.shape))
        place += a.size
    return views


def native(array: Array) -> Array:
    """An array in C order and in the byte order of this machine: a buffer has one layout on every rank."""
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("="), copy=False)
