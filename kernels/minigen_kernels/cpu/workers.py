"""The threads that share a kernel's work: what they know of each other, and what they do.

A kernel whose work is shared (``threads.py``) offers its pieces to the workers and takes pieces itself until none is
left; then it waits for those that are being worked on. Nothing waits for a worker that another program keeps from
running: it takes no piece. One kernel at a time is shared. A second one, called meanwhile by another thread of Python
or by a piece, goes through its pieces alone.

A worker is a thread of Python in compiled code that does not hold the interpreter's lock. It looks for work for a
while, because to wake a sleeping thread takes longer than many kernels; then it sleeps until a kernel wakes it. If the
system runs it on the caller's core, where it would keep the caller from running, it moves to another. A forked process
has no workers until `set_threads` is called there.

Imports: Numba and llvmlite, ``atomic.py``, ``jit.py``. Read next: ``atomic.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Collection
from typing import Any

from llvmlite import binding
from numba.core import types

from minigen_kernels.cpu.atomic import call, exchange, fetch_add, now, pause, put
from minigen_kernels.cpu.jit import njit_cached, njit_inner

#: The most threads.
LIMIT = 256
#: How many times a worker looks for work before it sleeps (about a millisecond), and how many times a caller looks
#: whether the workers are done before it does. There is a pause of 10 to 50 ns after each.
WORKER_SPINS, CALLER_SPINS = 40_000, 4_000

# What the threads know of each other: 64-bit numbers by their place; each group has lines of the cache of its own.
THREADS, SHARE, STOP, BEGUN = range(4)  # how many; the address of `_share`; 1 at the end; how many workers began
ACQUIRE, RELEASE, GET_CORE, SET_CORES = range(4, 8)  # C functions: of locks, and of cores, 0 where there are none
BUSY = 8  # 1 while a kernel is shared
OPEN, FUNCTION, DATA, COUNT, PIECE_SIZE, CORE = range(16, 22)  # 1 while workers may join; in what; the caller's core
NEXT = 24  # where the first piece begins that nobody has taken
ACTIVE, FAILED = 32, 33  # how many workers have joined; 1 if a piece raised an error
WAITING, DONE = 40, 41  # 1 while the caller sleeps; the lock that it sleeps on
CORES = 48  # a bit for each core that this process may use, at first
WORDS = 16  # of 64 such bits
ASLEEP, LOCK, ELSEWHERE = 64, 65, 66  # of the first worker; the cores that it may use
WORKER = 24  # places from one worker to the next
PLACES = ASLEEP + WORKER * LIMIT
SYMBOL = "minigen_pool"  # the name of the places in the code of kernels


@njit_inner(error_model="numpy")
def _core(pool: int) -> int:
    """The number of the core that this thread runs on; 0 if the system does not tell."""
    return call(now(pool, GET_CORE), 0, 0, 0) if now(pool, GET_CORE) else 0


@njit_inner(error_model="numpy")
def _leave_core(pool: int, core: int, cores: int) -> None:
    """Move this worker to other cores than the caller's, where it would keep the caller from running."""
    for word in range(WORDS):
        put(pool, cores + word, now(pool, CORES + word))
    if core < 64 * WORDS:
        put(pool, cores + core // 64, now(pool, cores + core // 64) & ~(1 << core % 64))
        call(now(pool, SET_CORES), 0, 8 * WORDS, pool + 8 * cores)


@njit_inner(error_model="numpy")
def _take_pieces(pool: int, function: int, data: int, count: int, piece: int) -> None:
    """Take pieces until none is left."""
    while True:
        first = fetch_add(pool, NEXT, piece)
        if first >= count:
            return
        if call(function, data, first, min(first + piece, count)):
            put(pool, FAILED, 1)


@njit_cached(error_model="numpy")
def _share(pool: int, function: int, data: int, count: int, piece: int) -> int:
    """Go through all pieces together with the workers; 1 if one failed."""
    if exchange(pool, BUSY, 1):  # the workers have another kernel
        failed = 0
        for first in range(0, count, piece):
            failed |= call(function, data, first, min(first + piece, count))
        return failed
    put(pool, FUNCTION, function)
    put(pool, DATA, data)
    put(pool, COUNT, count)
    put(pool, PIECE_SIZE, piece)
    put(pool, CORE, _core(pool))
    put(pool, FAILED, 0)
    put(pool, NEXT, 0)
    put(pool, OPEN, 1)
    helpers = min(now(pool, THREADS), (count + piece - 1) // piece) - 1
    for worker in range(helpers):
        at = worker * WORKER
        if now(pool, ASLEEP + at) and exchange(pool, ASLEEP + at, 0):
            call(now(pool, RELEASE), now(pool, LOCK + at), 0, 0)
    _take_pieces(pool, function, data, count, piece)
    put(pool, OPEN, 0)
    spins = 0
    while now(pool, ACTIVE):
        spins += 1
        if spins < CALLER_SPINS:
            pause()
            continue
        put(pool, WAITING, 1)
        if now(pool, ACTIVE) or not exchange(pool, WAITING, 0):  # the last worker sees WAITING, or has seen it
            call(now(pool, ACQUIRE), now(pool, DONE), 1, 0)
    failed = now(pool, FAILED)
    put(pool, BUSY, 0)
    return failed


@njit_cached(error_model="numpy")
def _work(pool: int, worker: int) -> None:
    """What a worker does until the end: look for pieces, and sleep after a while without."""
    at, spins = worker * WORKER, 0
    fetch_add(pool, BEGUN, 1)
    while not now(pool, STOP):
        if now(pool, OPEN) and now(pool, NEXT) < now(pool, COUNT) and worker < now(pool, THREADS) - 1:
            if now(pool, GET_CORE) and _core(pool) == now(pool, CORE):
                _leave_core(pool, now(pool, CORE), ELSEWHERE + at)
            fetch_add(pool, ACTIVE, 1)
            if now(pool, OPEN):  # from here on the caller waits for this worker
                function, data = now(pool, FUNCTION), now(pool, DATA)
                _take_pieces(pool, function, data, now(pool, COUNT), now(pool, PIECE_SIZE))
            if fetch_add(pool, ACTIVE, -1) == 1 and exchange(pool, WAITING, 0):
                call(now(pool, RELEASE), now(pool, DONE), 0, 0)
            spins = 0
        elif spins < WORKER_SPINS:
            spins += 1
            pause()
        else:
            put(pool, ASLEEP + at, 1)
            if not (now(pool, OPEN) or now(pool, STOP)) or not exchange(pool, ASLEEP + at, 0):
                call(now(pool, ACQUIRE), now(pool, LOCK + at), 1, 0)
            spins = 0


class Pool:
    """The places in memory, for the life of the process, and the workers."""

    def __init__(self) -> None:
        memory = ctypes.create_string_buffer(8 * PLACES + 64)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))  # code that is running at the end may still look at it
        self.address = (ctypes.addressof(memory) + 63) // 64 * 64
        self.places = (ctypes.c_int64 * PLACES).from_address(self.address)
        self.workers: list[threading.Thread] = []
        self.forget()
        binding.add_symbol(SYMBOL, self.address)

    def forget(self) -> None:
        """As if there had never been a worker: at the beginning, and in a forked process."""
        ctypes.memset(self.address, 0, 8 * PLACES)
        self.places[THREADS] = 1
        self.workers = []

    def set_threads(self, n: int, cores: Collection[int]) -> None:
        """Start workers as needed. `cores`: the numbers of those that this process may use."""
        if n > 1 and not self.workers:
            self._prepare()
        for word in range(WORDS):
            self.places[CORES + word] = _signed(sum(1 << core % 64 for core in cores if core // 64 == word))
        for worker in range(len(self.workers), n - 1):
            self.places[LOCK + worker * WORKER] = _held_lock()
            thread = threading.Thread(target=_work, args=(self.address, worker), name="minigen worker", daemon=True)
            thread.start()
            self.workers.append(thread)
        while self.places[BEGUN] < len(self.workers):
            time.sleep(1e-4)
        self.places[THREADS] = n

    def _prepare(self) -> None:
        """Write the addresses of functions, and a lock for the caller."""
        library = ctypes.CDLL(None) if hasattr(os, "sched_getaffinity") else None
        for place, owner, name in (
            (ACQUIRE, ctypes.pythonapi, "PyThread_acquire_lock"),
            (RELEASE, ctypes.pythonapi, "PyThread_release_lock"),
            (GET_CORE, library, "sched_getcpu"),
            (SET_CORES, library, "sched_setaffinity"),
        ):
            if owner is not None:
                self.places[place] = ctypes.cast(getattr(owner, name), ctypes.c_void_p).value or 0
        self.places[DONE] = _held_lock()
        kernel: Any = _share
        kernel.compile((types.int64,) * 5)
        compiled = kernel.overloads[(types.int64,) * 5]
        self.places[SHARE] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)

    def stop(self) -> None:
        """End the workers, before the memory of their code is freed."""
        self.places[THREADS], self.places[STOP] = 1, 1
        for worker, thread in enumerate(self.workers):
            while thread.is_alive():
                if self.places[ASLEEP + worker * WORKER]:
                    self.places[ASLEEP + worker * WORKER] = 0
                    ctypes.pythonapi.PyThread_release_lock(ctypes.c_void_p(self.places[LOCK + worker * WORKER]))
                thread.join(0.001)


def _held_lock() -> int:
    """The address of a new lock of Python's, which is held."""
    allocate = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))
    lock: int = allocate()
    ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    return lock


def _signed(word: int) -> int:
    """64 bits as a number with a sign."""
    return word - (word >> 63 << 64)


POOL = Pool()
atexit.register(POOL.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget)


def set_threads(n: int) -> None:
    """Let every kernel of this process use n threads, at most as many as there are cores that it may use."""
    known = hasattr(os, "sched_getaffinity")
    cores = os.sched_getaffinity(0) if known else range(os.cpu_count() or 1)
    POOL.set_threads(min(n, len(cores), LIMIT), cores)


def threads() -> int:
    """How many threads a kernel uses."""
    return int(POOL.places[THREADS])
