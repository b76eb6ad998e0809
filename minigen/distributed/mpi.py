"""Ranks that MPI started, through mpi4py. Any MPI that mpi4py finds: MPICH, Intel's, Open MPI.

A rank waits for the others by asking again and again, and sleeps when that takes long: so a signal is noticed while it
waits, and more ranks than cores do not stand in each other's way. Arrays on a GPU go through NCCL where each rank has a
GPU of its own, else through main memory.

Imports: communicator, launch, nccl, device; mpi4py. Read next: ``watchdog.py``.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.device import device_of, to_device
from minigen.distributed.communicator import Communicator, RankEnded, native
from minigen.distributed.launch import Launch
from minigen.distributed.nccl import Nccl, connect
from minigen.distributed.watchdog import Watchdog
from minigen_kernels import Array

SPIN = 5e-3  # seconds in which a rank that waits asks all the time, before it begins to sleep between questions
NAP = 100e-6  # seconds
LATE = 5.0  # seconds after which what a rank said before its end has arrived


class LaunchError(RuntimeError):
    """Processes that were started together, and cannot work together."""


def load_mpi(launch: Launch | None) -> Any:
    """The module ``mpi4py.MPI``, after MPI_Init. LaunchError, with what to do, if it does not fit the launcher."""
    os.environ.setdefault("I_MPI_CBWR", "1")  # Intel's library: the same way to add, wherever ranks are
    try:
        mpi = _begun(launch)
    except LaunchError:
        raise
    except (ImportError, RuntimeError) as error:
        started = "" if launch is None else f"this is one of {launch.size} processes started by {launch.launcher}, but "
        raise LaunchError(
            f"{started}MPI cannot be used ({str(error).splitlines()[0]}): pip install 'minigen-engine[mpi]'"
        ) from error
    size = mpi.COMM_WORLD.Get_size()
    if launch is not None and size != launch.size:
        raise LaunchError(_another(launch, mpi, f"sees {size}"))
    return mpi


def _begun(launch: Launch | None) -> Any:
    """``mpi4py.MPI`` after MPI_Init. LaunchError before it, where that would end the process with words of its own."""
    package = importlib.import_module("mpi4py")
    first = "mpi4py.MPI" not in sys.modules
    if first:
        package.rc(initialize=False, finalize=True)
    mpi = importlib.import_module("mpi4py.MPI")
    if first and not mpi.Is_initialized():
        if launch is not None and not fits(launch.launcher, mpi.get_vendor()[0]):
            raise LaunchError(_another(launch, mpi, "cannot work"))
        mpi.Init_thread()
    return mpi


def fits(launcher: str, library: str) -> bool:
    """Can this MPI library (the name that mpi4py has for it) find the processes that this launcher has started?"""
    of = {"Open MPI": "Open MPI", "MPICH": "MPICH or Intel MPI", "Intel MPI": "MPICH or Intel MPI"}
    return launcher not in of.values() or of.get(library, launcher) == launcher


def _another(launch: Launch, mpi: Any, what: str) -> str:
    """The message where launcher and library are of two MPIs."""
    library = mpi.Get_library_version().splitlines()[0].partition(",")[0].strip("\0 ")
    return (
        f"{launch.launcher} started {launch.size} processes, but in each of them MPI ({library}) {what}: that is the "
        "library of another MPI. Take the mpiexec that belongs to it: that of this Python's environment is beside its "
        "`python`, as bin/mpiexec"
    )


class Mpi(Communicator):
    """The ranks of MPI_COMM_WORLD, or of another communicator of mpi4py's."""

    def __init__(self, mpi: Any, world: Any = None) -> None:
        super().__init__()
        self.mpi, self.world = mpi, (mpi.COMM_WORLD if world is None else world).Dup()
        self.rank, self.size = self.world.Get_rank(), self.world.Get_size()
        self.watchdog: Watchdog | None = None
        self.nccl: Nccl | None = None
        self._places: list[str] = []
        self.hosts: list[str] = self.gather(mpi.Get_processor_name())  # of each rank
        names = self.gather(f"{self.size}, process {os.getpid()} on {mpi.Get_processor_name()}")
        self.watchdog = Watchdog(self.rank, names, self.broadcast) if self.size > 1 else None

    def describe(self) -> str:
        shown = "one machine" if len({*self.hosts}) == 1 else f"{len({*self.hosts})} machines"
        version = " ".join(self.mpi.Get_library_version().split()[:3]).strip(",")
        return f"{version}, {shown}{', NCCL' if self.nccl is not None else ''}"

    def connect(self, places: Sequence[str]) -> None:
        if self._places != [*places]:
            self._places, on_gpus = [*places], self.size > 1 and {*places} == {"cuda"}
            self.nccl = connect(self.rank, self.gather, self.hosts[self.rank]) if on_gpus else None

    def all_gather(self, block: Array) -> Array:
        if self.nccl is not None and device_of(block) == "cuda":
            return self.nccl.all_gather(block)
        mine = native(to_device(block, "cpu"))
        found = np.empty((self.size, *mine.shape), mine.dtype)
        self._finish(self.world.Iallgather([mine, self.mpi.BYTE], [found, self.mpi.BYTE]))
        return to_device(found, device_of(block))

    def all_to_all(self, blocks: Array) -> Array:
        if self.nccl is not None and device_of(blocks) == "cuda":
            return self.nccl.all_to_all(blocks)
        mine = native(to_device(blocks, "cpu"))
        found = np.empty_like(mine)
        self._finish(self.world.Ialltoall([mine, self.mpi.BYTE], [found, self.mpi.BYTE]))
        return to_device(found, device_of(blocks))

    def gather(self, value: Any) -> list[Any]:
        pickled: Any = self.mpi.pickle.dumps(value)
        mine = np.frombuffer(pickled, np.uint8)
        sizes = self.all_gather(np.array([len(mine)], np.int64)).reshape(-1)
        padded = np.zeros(int(sizes.max()), np.uint8)
        padded[: len(mine)] = mine
        rows = self.all_gather(padded)
        return [self.mpi.pickle.loads(row[:n].tobytes()) for row, n in zip(rows, sizes)]

    def abort(self, code: int) -> None:
        self.world.Abort(code)

    def on_death(self, advice: str) -> None:
        if self.watchdog is not None:
            self.watchdog.advise(advice)

    def _finish(self, request: Any) -> None:
        """Wait until a collective has ended."""
        began = time.perf_counter()
        while not request.Test():
            if time.perf_counter() - began < SPIN:
                os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0)
            else:
                time.sleep(NAP)
                self._look_for_all(time.perf_counter() - began)
        self._idle += time.perf_counter() - began

    def _look_for_all(self, waited: float) -> None:
        """RankEnded if one of those that this rank has waited for so long will never come."""
        gone = None if self.watchdog is None else self.watchdog.gone
        if gone is not None and min(waited, time.monotonic() - gone[1]) > LATE:
            raise RankEnded(self.rank, gone[0])
