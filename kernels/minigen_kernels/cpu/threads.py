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
while, because to wake a sleeping thread takes longer than many kernels; then it sleeps until a kernel wakes it. If the
system runs it on the caller's core, where it would keep the caller from running, it moves to another. A forked process
has no workers until `set_threads` is called there.

Imports: Numba and llvmlite, ``atomic.py``. Read next: ``atomic.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types

from minigen_kernels.cpu.atomic import INT, WORD, call, exchange, fetch_add, now, pause, put
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import intrinsic

#: The most threads.
LIMIT = 256
#: How many numbers a piece has where each is computed by itself: some microseconds of work.
PIECE = 1 << 14
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

BYTES = ir.IntType(8).as_pointer()
#: Code of a range of the work: function(arguments, first, last), 0 if no error was raised.
CODE = ir.FunctionType(INT, [BYTES, WORD, WORD])


@intrinsic
def share(typing_context: Any, body: Any, count: Any, piece: Any, args: Any) -> Any:
    """``share(body, count, piece, args)``: body(first, last, *args) for the ranges of `piece` numbers below `count`.

    `body` is compiled by Numba and returns nothing; `args` is a tuple. MemoryError if a piece raises an error.
    """
    signature = typing_context.resolve_function_type(body, (types.intp, types.intp, *args), {})

    def generate(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        _share_pieces(context, builder, body, signature, args, *values[1:])
        return context.get_dummy_value()

    return types.void(body, types.intp, types.intp, args), generate


@intrinsic
def share_slices(typing_context: Any, body: Any, count: Any, args: Any) -> Any:
    """``share_slices(body, count, args)``: body(*args) for slices of the flat arrays among `args`, of PIECE numbers.

    `count` is the size of each array. The rest as for `share`.
    """
    signature = typing_context.resolve_function_type(body, tuple(args), {})

    def generate(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        _, count, tuple_value = values
        _share_pieces(context, builder, body, signature, args, count, ir.Constant(WORD, PIECE), tuple_value)
        return context.get_dummy_value()

    return types.void(body, types.intp, args), generate


def _share_pieces(
    context: Any, builder: Any, body: Any, signature: Any, args: Any, count: Any, piece: Any, tuple_value: Any
) -> None:
    """Builds the code of `share` and, if `body` takes no range, of `share_slices`."""
    members = ir.LiteralStructType([context.get_value_type(kind) for kind in args])
    compiled = body.dispatcher.overloads[signature.args]
    context.add_linking_libs([compiled.library])
    function = _piece_function(context, builder.module, compiled, signature, args, members)
    data = cgutils.alloca_once(builder, members)
    for i, value in enumerate(cgutils.unpack_tuple(builder, tuple_value)):
        builder.store(value, cgutils.gep_inbounds(builder, data, 0, i))
    failed = _run_all(builder, function, builder.bitcast(data, BYTES), count, piece)
    with builder.if_then(cgutils.is_not_null(builder, failed), likely=False):
        context.call_conv.return_user_exc(builder, MemoryError, ("a part of a kernel failed",))


def _piece_function(context: Any, module: Any, compiled: Any, signature: Any, kinds: Any, members: Any) -> Any:
    """A new CODE in the module: it calls `compiled` with the range and the arguments, which are `members` in memory.

    It is inlined nowhere: whoever goes through the pieces, the code is the same.
    """
    function = ir.Function(module, CODE, module.get_unique_name(f"piece.{compiled.fndesc.unique_name}"))
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    data, first, last = function.args
    data = builder.bitcast(data, members.as_pointer())
    args = [builder.load(cgutils.gep_inbounds(builder, data, 0, i)) for i in range(len(kinds))]
    if len(signature.args) == len(kinds):
        args = [_slice(context, builder, kind, value, first, last) for kind, value in zip(kinds, args)]
    else:
        args = [first, last, *args]
    status, _ = context.call_internal_no_propagate(builder, compiled.fndesc, signature, args)
    builder.ret(builder.zext(status.is_error, INT))
    return function


def _slice(context: Any, builder: Any, kind: Any, value: Any, first: Any, last: Any) -> Any:
    """value[first:last] of a flat contiguous array; a number as it is."""
    if not isinstance(kind, types.Array) or kind.ndim != 1:
        return value
    array = context.make_array(kind)(context, builder, value)
    array.data = builder.gep(array.data, [first])
    array.nitems = builder.sub(last, first)
    array.shape = cgutils.pack_array(builder, [array.nitems])
    return array._getvalue()


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
            kind = ir.FunctionType(INT, [WORD.as_pointer(), BYTES.as_pointer(), *[WORD] * 5])
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


@njit_cached(error_model="numpy", nogil=True)
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


def njit_shared(piece: int = PIECE, **options: Any) -> Callable[[Callable[..., None]], Any]:
    """A decorator for kernels whose work is shared: `njit_cached` with the same arguments.

    f(first, last, ...) becomes a kernel of (count, ...), which does the ranges of `piece` numbers below `count`. Any
    other function has flat arrays of one size, the first argument is one of them, and it computes each number by
    itself: it gets slices of PIECE numbers.
    """

    def decorate(function: Callable[..., None]) -> Any:
        names = list(inspect.signature(function).parameters)
        if names[:2] == ["first", "last"]:
            head, args, work = "count", names[2:], "share(body, count, piece"
        else:
            head, args, work = names[0], names, f"share_slices(body, {names[0]}.size"
        parameters = ", ".join(dict.fromkeys([head, *args]))
        scope = {"share": share, "share_slices": share_slices, "piece": piece, "body": njit_inner(**options)(function)}
        exec(f"def kernel({parameters}): {work}, ({', '.join(args)},))", scope)
        kernel: Any = scope["kernel"]
        functools.update_wrapper(kernel, function)
        del kernel.__wrapped__  # Numba would take its arguments
        return njit_cached(function, **options)(kernel)

    return decorate


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
