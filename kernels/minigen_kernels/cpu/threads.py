"""The work of a kernel in pieces, which several threads may share.

A kernel names a function of a range, a count, and the size of a piece::

    @njit(fastmath=FASTMATH)
    def _double_part(first, last, x, y):
        x, y = x[first:last], y[first:last]  # with an index from 0 on the loop is vectorised
        for i in range(x.size):
            y[i] = 2 * x[i]

    @njit_cached(fastmath=FASTMATH)
    def _double(x, y):
        share(_double_part, x.size, PIECE, (x, y))

The pieces depend on the count alone, never on the number of threads, and one thread goes through the same pieces with
the same code. So the bits of a result are those of one thread, if no piece reads what another writes. In a sum over
all, each piece writes its part to a place of its own, and the kernel adds the parts in order.

With one thread, `share` is a loop. With more it offers the pieces to the workers and takes pieces itself until none is
left; then it waits for those that are being worked on. Nothing waits for a worker that another program keeps from
running: it takes no piece. One kernel at a time is shared. A second one, called meanwhile by another thread of Python
or by a piece, goes through its pieces alone.

A worker is a thread of Python in compiled code that does not hold the interpreter's lock. It looks for work for a
while, because to wake a sleeping thread takes longer than many kernels; then it sleeps until a kernel wakes it. A
forked process has no workers until `set_threads` is called there.

Imports: Numba and llvmlite, ``atomic.py``. Read next: ``atomic.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from typing import Any

from llvmlite import binding, ir
from numba import njit
from numba.core import cgutils, types

from minigen_kernels.cpu.atomic import (
    BYTES,
    NUMBER,
    PIECE,
    WORD,
    acquire,
    exchange,
    fetch_add,
    now,
    pause,
    put,
    release,
    run_piece,
)
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.lanes import intrinsic

#: The most threads.
LIMIT = 256
#: How many times a thread looks before it sleeps, with a pause of 10 to 50 ns after each.
SPINS = 40000

# What the threads know of each other: 64-bit numbers by their place; each group has lines of the cache of its own.
THREADS, SHARE, STOP, ACQUIRE, RELEASE = range(5)  # how many; address of `_share`; 1 at the end; functions of locks
BUSY = 8  # 1 while a kernel is shared
OPEN, FUNCTION, DATA, COUNT, PIECE_SIZE = range(16, 21)  # 1 while workers may join; in what
NEXT = 24  # where the first piece begins that nobody has taken
ACTIVE, FAILED = 32, 33  # how many workers have joined; 1 if a piece raised an error
WAITING, DONE = 40, 41  # 1 while the caller sleeps; the lock that it sleeps on
ASLEEP, LOCK = 48, 49  # of the first worker
WORKER = 8  # places from one worker to the next
PLACES = ASLEEP + WORKER * LIMIT
SYMBOL = "minigen_pool"  # the name of the places in the code of kernels


@intrinsic
def share(typing_context: Any, body: Any, count: Any, piece: Any, args: Any) -> Any:
    """``share(body, count, piece, args)``: body(first, last, *args) for the ranges of `piece` numbers below `count`.

    `body` is compiled by Numba and returns nothing; `args` is a tuple. MemoryError if a piece raises an error.
    """
    signature = typing_context.resolve_function_type(body, (types.intp, types.intp, *args), {})

    def generate(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        _, count, piece, tuple_value = values
        members = ir.LiteralStructType([context.get_value_type(kind) for kind in args])
        compiled = body.dispatcher.overloads[signature.args]
        context.add_linking_libs([compiled.library])
        function = _piece_function(context, builder.module, compiled, signature, members)
        data = cgutils.alloca_once(builder, members)
        for i, value in enumerate(cgutils.unpack_tuple(builder, tuple_value)):
            builder.store(value, cgutils.gep_inbounds(builder, data, 0, i))
        failed = _run_all(builder, function, builder.bitcast(data, BYTES), count, piece)
        with builder.if_then(cgutils.is_not_null(builder, failed), likely=False):
            context.call_conv.return_user_exc(builder, MemoryError, ("a part of a kernel failed",))
        return context.get_dummy_value()

    return types.void(body, types.intp, types.intp, args), generate


def _piece_function(context: Any, module: Any, compiled: Any, signature: Any, members: Any) -> Any:
    """A new PIECE in the module: it calls `compiled` with the range and the arguments, which are `members` in memory.

    It is inlined nowhere: whoever goes through the pieces, the code is the same.
    """
    function = ir.Function(module, PIECE, module.get_unique_name(f"piece.{compiled.fndesc.unique_name}"))
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    data = builder.bitcast(function.args[0], members.as_pointer())
    values = [builder.load(cgutils.gep_inbounds(builder, data, 0, i)) for i in range(len(members.elements))]
    args = [*function.args[1:], *values]
    status, _ = context.call_internal_no_propagate(builder, compiled.fndesc, signature, args)
    builder.ret(builder.zext(status.is_error, NUMBER))
    return function


def _run_all(builder: Any, function: Any, data: Any, count: Any, piece: Any) -> Any:
    """Go through all pieces, with the workers if there are any; not 0 if one failed."""
    zero, one = ir.Constant(WORD, 0), ir.Constant(WORD, 1)
    module = builder.module
    pool = module.globals.get(SYMBOL) or ir.GlobalVariable(module, ir.ArrayType(WORD, PLACES), SYMBOL)
    failed = cgutils.alloca_once_value(builder, zero)
    threads = builder.load(cgutils.gep_inbounds(builder, pool, 0, THREADS))
    several = builder.and_(builder.icmp_signed(">", threads, one), builder.icmp_signed(">", count, piece))
    with builder.if_else(several, likely=False) as (shared, alone):
        with shared:
            kind = ir.FunctionType(NUMBER, [WORD.as_pointer(), BYTES.as_pointer(), *[WORD] * 5])
            address = builder.load(cgutils.gep_inbounds(builder, pool, 0, SHARE))
            callee = builder.inttoptr(address, kind.as_pointer())
            error = cgutils.alloca_once(builder, BYTES)
            numbers = [builder.ptrtoint(value, WORD) for value in (pool, function, data)]
            builder.call(callee, [failed, error, *numbers, count, piece])
        with alone:
            with cgutils.for_range_slice(builder, zero, count, piece, WORD) as (first, _):
                end = builder.add(first, piece)
                last = builder.select(builder.icmp_signed("<", end, count), end, count)
                code = builder.zext(builder.call(function, [data, first, last]), WORD)
                builder.store(builder.or_(builder.load(failed), code), failed)
    return builder.load(failed)


@njit(error_model="numpy")
def _take_pieces(pool: int, function: int, data: int, count: int, piece: int) -> None:
    """Take pieces until none is left."""
    while True:
        first = fetch_add(pool, NEXT, piece)
        if first >= count:
            return
        if run_piece(function, data, first, min(first + piece, count)):
            put(pool, FAILED, 1)


@njit_cached(error_model="numpy")
def _share(pool: int, function: int, data: int, count: int, piece: int) -> int:
    """Go through all pieces together with the workers; 1 if one failed."""
    if exchange(pool, BUSY, 1):  # the workers have another kernel
        failed = 0
        for first in range(0, count, piece):
            failed |= run_piece(function, data, first, min(first + piece, count))
        return failed
    put(pool, FUNCTION, function)
    put(pool, DATA, data)
    put(pool, COUNT, count)
    put(pool, PIECE_SIZE, piece)
    put(pool, FAILED, 0)
    put(pool, NEXT, 0)
    put(pool, OPEN, 1)
    helpers = min(now(pool, THREADS), (count + piece - 1) // piece) - 1
    for worker in range(helpers):
        at = worker * WORKER
        if now(pool, ASLEEP + at) and exchange(pool, ASLEEP + at, 0):
            release(now(pool, RELEASE), now(pool, LOCK + at))
    _take_pieces(pool, function, data, count, piece)
    put(pool, OPEN, 0)
    spins = 0
    while now(pool, ACTIVE):
        spins += 1
        if spins < SPINS:
            pause()
            continue
        put(pool, WAITING, 1)
        if now(pool, ACTIVE) or not exchange(pool, WAITING, 0):  # the last worker sees WAITING, or has seen it
            acquire(now(pool, ACQUIRE), now(pool, DONE))
    failed = now(pool, FAILED)
    put(pool, BUSY, 0)
    return failed


@njit_cached(error_model="numpy", nogil=True)
def _work(pool: int, worker: int) -> None:
    """What a worker does until the end: look for pieces, and sleep after a while without."""
    at, spins = worker * WORKER, 0
    while not now(pool, STOP):
        if now(pool, OPEN) and now(pool, NEXT) < now(pool, COUNT) and worker < now(pool, THREADS) - 1:
            fetch_add(pool, ACTIVE, 1)
            if now(pool, OPEN):  # from here on the caller waits for this worker
                function, data = now(pool, FUNCTION), now(pool, DATA)
                _take_pieces(pool, function, data, now(pool, COUNT), now(pool, PIECE_SIZE))
            if fetch_add(pool, ACTIVE, -1) == 1 and exchange(pool, WAITING, 0):
                release(now(pool, RELEASE), now(pool, DONE))
            spins = 0
        elif spins < SPINS:
            spins += 1
            pause()
        else:
            put(pool, ASLEEP + at, 1)
            if not (now(pool, OPEN) or now(pool, STOP)) or not exchange(pool, ASLEEP + at, 0):
                acquire(now(pool, ACQUIRE), now(pool, LOCK + at))
            spins = 0


class Pool:
    """The places in memory, for the life of the process, and the workers."""

    def __init__(self) -> None:
        memory = ctypes.create_string_buffer(8 * PLACES + 64)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))  # code that is running at the end may still look at it
        self.address = (ctypes.addressof(memory) + 63) // 64 * 64
        self.places = (ctypes.c_int64 * PLACES).from_address(self.address)
        self.workers: list[threading.Thread] = []
        python: Any = ctypes.pythonapi
        self._allocate, self._acquire, self._release = (
            ctypes.CFUNCTYPE(result, *args)((name, python))
            for name, result, *args in (
                ("PyThread_allocate_lock", ctypes.c_void_p),
                ("PyThread_acquire_lock", ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
                ("PyThread_release_lock", None, ctypes.c_void_p),
            )
        )
        self.forget()
        binding.add_symbol(SYMBOL, self.address)

    def forget(self) -> None:
        """As if there had never been a worker: at the beginning, and in a forked process."""
        ctypes.memset(self.address, 0, 8 * PLACES)
        self.places[THREADS] = 1
        self.workers = []

    def set_threads(self, n: int) -> None:
        """See `set_threads`."""
        if n > 1 and not self.workers:
            for place, function in ((ACQUIRE, self._acquire), (RELEASE, self._release)):
                self.places[place] = ctypes.cast(function, ctypes.c_void_p).value or 0
            self.places[DONE] = self._locked()
            _share.compile((types.int64,) * 5)
            compiled = _share.overloads[(types.int64,) * 5]
            self.places[SHARE] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        for worker in range(len(self.workers), n - 1):
            self.places[LOCK + worker * WORKER] = self._locked()
            thread = threading.Thread(target=_work, args=(self.address, worker), name="minigen worker", daemon=True)
            thread.start()
            self.workers.append(thread)
        self.places[THREADS] = n

    def _locked(self) -> int:
        """The address of a new lock that somebody holds."""
        lock: int = self._allocate()
        self._acquire(lock, 1)
        return lock

    def stop(self) -> None:
        """End the workers, before the memory of their code is freed."""
        self.places[THREADS], self.places[STOP] = 1, 1
        for worker, thread in enumerate(self.workers):
            while thread.is_alive():
                if self.places[ASLEEP + worker * WORKER]:
                    self.places[ASLEEP + worker * WORKER] = 0
                    self._release(self.places[LOCK + worker * WORKER])
                thread.join(0.001)


POOL = Pool()
atexit.register(POOL.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget)


def set_threads(n: int) -> None:
    """Let every kernel of this process use n threads, at most as many as there are cores that it may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    POOL.set_threads(min(n, cores, LIMIT))
