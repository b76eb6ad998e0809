"""The replicas of a run: a batch is cut into R parts, and each is computed on its own, on whichever rank.

`Replica` is what the code of one of them sees: its number, and sums over all of them. `Team` runs the replicas of a
rank together: each to the point where it needs the others, one after the other, in threads that hand a baton on. So a
rank never computes two of them at once, and what they compute does not depend on how many share a rank.

Imports: device, communicator. Read next: ``__init__.py``, ``minigen/algorithms/updates.py``.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minigen.device import cuda_device, use_cuda_device
from minigen.distributed.communicator import SMALL, Communicator, Fold, agreed, each_apart, mean, pack, total, unpack
from minigen_kernels import Array

T = TypeVar("T")


class Replica:
    """Replica `number` of `count`."""

    def __init__(self, team: Team, local: int) -> None:
        self._team, self._local = team, local
        self.number, self.count = team.first + local, team.count

    def __repr__(self) -> str:
        return f"Replica({self.number} of {self.count})"

    def total(self, arrays: Sequence[Array]) -> list[Array]:
        """The sum of each array over all replicas, in their order."""
        return self._combine(arrays, total)

    def mean(self, arrays: Sequence[Array]) -> list[Array]:
        """The mean of each array over all replicas."""
        return self._combine(arrays, mean)

    def agreed(self, arrays: Sequence[Array]) -> list[Array]:
        """Each array as all replicas have it; the mean of the elements in which they differ."""
        return self._combine(arrays, agreed)

    def _combine(self, arrays: Sequence[Array], fold: Fold) -> list[Array]:
        """Arrays of one dtype share a vector; a few bytes, all. Those that come back are the caller's own."""
        result: list[Array | None] = [None] * len(arrays)
        groups: dict[tuple[Any, Any], list[int]] = {}
        for i, a in enumerate(arrays):
            groups.setdefault((type(a), a.dtype), []).append(i)
        if len(groups) > 1 and sum(a.nbytes for a in arrays) <= SMALL and all(type(a) is np.ndarray for a in arrays):
            return self._together(arrays, list(groups.values()), fold)
        for places in groups.values():
            like = [arrays[i] for i in places]
            vector = self._team.combine(self._local, like, fold)
            for i, view in zip(places, unpack(vector, like)):
                result[i] = view
        return [a for a in result if a is not None]

    def _together(self, arrays: Sequence[Array], groups: list[list[int]], fold: Fold) -> list[Array]:
        """The same for several dtypes in one exchange, as bytes."""
        groups.sort(key=lambda places: -arrays[places[0]].itemsize)  # so that each begins at a multiple of its size
        ends = np.cumsum([sum(arrays[i].nbytes for i in places) for places in groups]).tolist()
        kinds = [(arrays[places[0]].dtype, a, b) for places, a, b in zip(groups, [0, *ends], ends)]
        vector = np.empty(ends[-1], np.uint8)
        for places, (dtype, a, b) in zip(groups, kinds):
            pack([arrays[i] for i in places], vector[a:b].view(dtype))
        folded, result = self._team.combine(self._local, [vector], each_apart(fold, kinds)), list(arrays)
        for places, (dtype, a, b) in zip(groups, kinds):
            for i, view in zip(places, unpack(folded[a:b].view(dtype), [arrays[i] for i in places])):
                result[i] = view
        return result


class ReplicasDiffer(RuntimeError):  # noqa: N818 - the name says what happened
    """The replicas of a rank did not ask for the same sums."""


class _Given(BaseException):
    """Ends a replica when another one has failed."""


class Team:
    """The replicas of this rank: `count` of them on all ranks, which `count` is a multiple of."""

    def __init__(self, communicator: Communicator, count: int) -> None:
        """ValueError if the ranks cannot share them."""
        if count < 1 or count % communicator.size:
            few = "" if count > communicator.size else f"; take at least {communicator.size}"
            raise ValueError(
                f"{count} replicas cannot be shared by {communicator.size} ranks: their number is a multiple of that "
                f"of the ranks{few}"
            )
        self.communicator, self.count = communicator, count
        self.size = count // communicator.size  # replicas on this rank
        self.first = communicator.rank * self.size
        self.replicas = [Replica(self, i) for i in range(self.size)]
        self._turn = threading.Condition()
        self._holder = 0  # whose turn it is
        self._room: Any = None  # of the vectors of this rank's replicas (size, m)
        self._filled = 0  # how many of them are there
        self._result: Any = None
        self._round = 0  # sums made
        self._running = [False] * self.size
        self._failure: BaseException | None = None

    def combine(self, local: int, arrays: Sequence[Array], fold: Fold) -> Array:
        """`fold` of the elements of arrays of all replicas of all ranks; called by each of them, at the same point."""
        m, dtype, round = sum(a.size for a in arrays), arrays[0].dtype, self._round
        if local == 0:
            self._room, self._filled = self.communicator.room(self.size, m, dtype, arrays[0]), 0
        if self._room is None or (self._room.shape[1], self._room.dtype) != (m, dtype):
            raise ReplicasDiffer(f"a replica gives {m} numbers of {dtype} to a sum, and others of its rank do not")
        pack(arrays, self._room[local])
        self._filled += 1
        if self.size == 1:
            return self.communicator.combine(self._room, fold)
        self._hand_on(local)
        if local == 0:  # the turn has come back: all others have given theirs
            if self._filled != self.size:
                raise ReplicasDiffer(f"{self._filled} of the {self.size} replicas of a rank ask for a sum")
            self._result, self._round = self.communicator.combine(self._room, fold), round + 1
            self._room = None
        if self._round == round:
            raise ReplicasDiffer("a replica asks for a sum, and the first one of its rank has ended")
        own: Array = self._result.copy()
        return own

    def run(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """Call the function of each replica of this rank. What the first that fails raises ends all."""
        if self.size == 1:
            return [functions[0]()]
        results: list[Any] = [None] * self.size
        self._holder, self._failure, self._running = 0, None, [True] * self.size

        device = cuda_device()

        def call(i: int) -> None:
            try:
                if i:
                    use_cuda_device(device)
                    self._wait(i)
                results[i] = functions[i]()
                self._running[i] = False
                self._pass(i)
            except _Given:
                pass
            except BaseException as error:
                with self._turn:
                    self._failure = self._failure or error
                    self._turn.notify_all()

        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(call, i), name=f"replica {self.first + i}")
            for i in range(1, self.size)
        ]
        for thread in threads:
            thread.start()
        call(0)
        for thread in threads:
            thread.join()
        self._room = None
        if self._failure is not None:
            raise self._failure
        return results

    def _hand_on(self, local: int) -> None:
        """Give the turn to the next replica, and wait until it comes back."""
        self._pass(local)
        self._wait(local)

    def _pass(self, local: int) -> None:
        with self._turn:
            others = [(local + k) % self.size for k in range(1, self.size + 1)]
            self._holder = next((i for i in others if self._running[i]), local)
            self._turn.notify_all()

    def _wait(self, local: int) -> None:
        with self._turn:
            while self._holder != local and self._failure is None:
                self._turn.wait()
            if self._failure is not None:
                raise _Given
