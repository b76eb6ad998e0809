"""Several processes that train one model: ranks, and sums over them whose bits do not depend on their number.

    mpiexec -n 4 python train.py

    world = mg.distributed.init()     # world.rank, world.size; alone, without mpiexec: 0 and 1
    mg.distributed.average_gradients(model.parameters())

Read next: ``communicator.py``, then ``replicas.py``; for users, ``docs/distributed.md``.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Iterable
from typing import Any

from minigen.autograd import Tensor
from minigen.device import array_module, device_of, share_cuda_devices
from minigen.distributed.communicator import Alone, Communicator
from minigen.distributed.launch import Launch, launch
from minigen.distributed.local import Local
from minigen.distributed.mpi import LaunchError, Mpi, load_mpi
from minigen.distributed.replicas import Replica, ReplicasDiffer, Team
from minigen.distributed.shared import SharedMpi
from minigen.distributed.watchdog import GRACE
from minigen.shapes import several, shown

_world: Communicator | None = None
SAME = 2  # the exit code of what all ranks find out for themselves, and rank 0 says

#: The number of this process, and how many there are. They are known after `init`, which reading them calls.
rank: int
size: int


def init() -> Communicator:
    """The ranks that were started together with this process; alone, where it was not. Every call gives the same.

    LaunchError: MPI is not installed, or that of another launcher; all processes get it.
    """
    global _world
    if _world is None:
        started = launch()
        _world = Alone() if started is None else _of_mpi(load_mpi(started))
        if isinstance(_world, Mpi):
            _end_together(_world)
    return _world


def _of_mpi(mpi: Any) -> Mpi:
    """The ranks of MPI; those of one machine share its GPUs, and where there is no other machine, memory."""
    here = mpi.COMM_WORLD.Split_type(mpi.COMM_TYPE_SHARED)
    share_cuda_devices(here.Get_rank())
    alone = here.Get_size() == mpi.COMM_WORLD.Get_size()
    here.Free()
    return SharedMpi(mpi) if alone else Mpi(mpi)


def leave(code: int, message: str) -> None:
    """Called by a rank that fails, before it ends with this code: all others end, too. Alone it returns at once.

    Rank 0 has printed why. The `message` of another rank is printed by rank 0, with its number, unless that fails, too.
    A wrong command line (2) is that of all.
    """
    started = launch()
    if isinstance(_world, Mpi) and _world.watchdog is not None:
        _world.watchdog.leave(code, message)
    elif _world is None and started is not None and started.rank and code != SAME:
        time.sleep(GRACE)  # mpiexec ends this process in that time, if rank 0 has failed for the same reason
        print(f"minigen: rank {started.rank} of {started.size}: {message}", file=sys.stderr, flush=True)


def _end_together(world: Mpi) -> None:
    """Let a Python that ends tell the other ranks: by itself, or by an error that nobody has caught."""
    if world.watchdog is None:
        return
    atexit.register(world.watchdog.bye)
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        before(kind, error, trace)
        leave(1, f"{kind.__name__}: {error}")

    sys.excepthook = hook


def average_gradients(params: Iterable[Tensor], *, communicator: Communicator | None = None) -> None:
    """Replace the gradient of each parameter by its mean over the ranks, added in the order of their numbers.

    Every rank calls it with the same parameters in the same order, after `backward`. A parameter without a gradient
    counts as zeros if it has one on another rank. `communicator`: in the place of that of `init`.

    ValueError, on all ranks: they differ in number, shape or dtype.
    """
    tensors = several("average_gradients", params, "a sequence of Tensors")
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"average_gradients: params are Tensors, such as model.parameters(), got {shown(p)}")
    world = init() if communicator is None else communicator
    if world.size == 1:
        return
    place = "cuda" if all(device_of(p.data) == "cuda" for p in tensors) else "cpu"
    own = [(p.shape, str(p.dtype), None if p.grad is None else str(p.grad.dtype)) for p in tensors]
    places, found = zip(*world.gather((place, own)))
    for r, others in enumerate(found):
        _check_alike(own, others, f"on rank {world.rank}", f"on rank {r}")
    world.connect(places)
    taken = [p for p, *each in zip(tensors, *found) if any(dtype is not None for _, _, dtype in each)]
    arrays = [array_module(p.data).zeros_like(p.data) if p.grad is None else p.grad.data for p in taken]
    for p, mean in zip(taken, Team(world, world.size).replicas[0].mean(arrays) if taken else ()):
        p.grad = Tensor(mean)


def _check_alike(own: list[Any], others: list[Any], here: str, there: str) -> None:
    """ValueError if the gradients that two ranks give cannot be averaged: (shape, dtype, dtype of the gradient)."""
    if len(own) != len(others):
        raise ValueError(f"average_gradients: {len(own)} parameters {here}, and {len(others)} {there}")
    for i, ((shape, dtype, grad), (shape2, dtype2, grad2)) in enumerate(zip(own, others)):
        one, two = (shape, grad or dtype), (shape2, grad2 or dtype2)
        if one != two:
            raise ValueError(
                f"average_gradients: the gradient of parameter {i} is {one[0]} of {one[1]} {here}, and {two[0]} of "
                f"{two[1]} {there}; every rank gives the same parameters in the same order"
            )


def __getattr__(name: str) -> Any:
    if name in ("rank", "size"):
        return getattr(init(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Alone", "Communicator", "Launch", "LaunchError", "Local", "Mpi", "Replica", "ReplicasDiffer", "SharedMpi", "Team",
    "average_gradients", "init", "launch", "leave", "rank", "size",
]  # fmt: skip
