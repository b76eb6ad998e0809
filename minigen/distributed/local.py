"""Ranks that are threads of one process: for tests and examples, without MPI.

Imports: communicator. Read next: ``mpi.py``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minigen.device import array_module
from minigen.distributed.communicator import Communicator, RankEnded
from minigen_kernels import Array

T = TypeVar("T")
_ENDED = object()  # what a rank says that has nothing more to say


class _Meeting:
    """Where the threads put what they say, and wait until all have."""

    def __init__(self, size: int, latency: float, bandwidth: float) -> None:
        self.places: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)
        self.latency, self.bandwidth = latency, bandwidth


class Local(Communicator):
    """A rank that is a thread. `run` starts them.

    `latency` (seconds a collective) and `bandwidth` (bytes a second that a rank can send) make them as slow as ranks on
    machines of their own.
    """

    def __init__(self, rank: int, meeting: _Meeting) -> None:
        super().__init__()
        self.rank, self.size, self._meeting = rank, len(meeting.places), meeting

    @staticmethod
    def run(
        size: int, function: Callable[[Local], T], *, latency: float = 0.0, bandwidth: float = float("inf")
    ) -> list[T]:
        """Call `function(communicator)` in `size` threads; return what each gives. What the first raises ends all."""
        meeting = _Meeting(size, latency, bandwidth)
        results: list[Any] = [None] * size
        failures: list[BaseException] = []

        def call(rank: int) -> None:
            try:
                world = Local(rank, meeting)
                results[rank] = function(world)
                world._end()
            except threading.BrokenBarrierError:
                pass  # another rank has failed
            except BaseException as error:
                failures.append(error)
                meeting.barrier.abort()

        threads = [threading.Thread(target=call, args=(rank,), name=f"rank {rank}") for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return results

    def all_gather(self, block: Array) -> Array:
        self._take_time((self.size - 1) * block.nbytes)
        blocks = self.gather(block)
        return array_module(block).stack(blocks)

    def all_to_all(self, blocks: Array) -> Array:
        self._take_time(blocks.nbytes - blocks[0].nbytes)
        rows = self.gather(blocks)
        return array_module(blocks).stack([row[self.rank] for row in rows])

    def gather(self, value: Any) -> list[Any]:
        found = self._meet(value.copy() if isinstance(value, np.ndarray) else value)
        ended = [rank for rank, place in enumerate(found) if place is _ENDED]
        if ended:
            raise RankEnded(self.rank, ended[0])
        return found

    def _meet(self, value: Any) -> list[Any]:
        """What all ranks say."""
        self._meeting.places[self.rank] = value
        self._meeting.barrier.wait()
        found = list(self._meeting.places)
        self._meeting.barrier.wait()
        return found

    def _end(self) -> None:
        """Wait until all have ended."""
        while any(place is not _ENDED for place in self._meet(_ENDED)):
            pass

    def _take_time(self, sent: int) -> None:
        """As long as an exchange takes in which this rank sends so many bytes."""
        time.sleep(self._meeting.latency + sent / self._meeting.bandwidth)

    def abort(self, code: int) -> None:
        self._meeting.barrier.abort()
