"""Numbers that several threads read and write, for Numba code: indivisible operations, in one order for all threads.

A place is an address: that of the pool plus 8 times its number. ``now`` and ``put`` read and write it, ``fetch_add``
and ``exchange`` return what was there before. ``acquire`` and ``release`` are Python's own locks, which need no
interpreter: the first sleeps until the second was called. All these functions exist only inside functions compiled by
Numba.

Imports: Numba and llvmlite, ``lanes.py``. Read next: ``threads.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels.cpu.lanes import intrinsic

WORD, BYTES, NUMBER = ir.IntType(64), ir.IntType(8).as_pointer(), ir.IntType(32)
#: What a range of a kernel's work is: function(arguments, first, last), 0 if no error was raised.
PIECE = ir.FunctionType(NUMBER, [BYTES, WORD, WORD])
ORDER = "seq_cst"


def _of_words(arity: int, result: Any, build: Callable[..., Any]) -> Callable[..., Any]:
    """The typing and code of a function of `arity` 64-bit numbers: `build(builder, *numbers)`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = build(builder, *args)
        return context.get_dummy_value() if result == types.void else value

    def typing() -> Any:
        return result(*[types.int64] * arity), generate

    return typing


def _at(builder: Any, pool: Any, place: Any) -> Any:
    address = builder.add(pool, builder.shl(place, ir.Constant(WORD, 3)))
    return builder.inttoptr(address, WORD.as_pointer())


@intrinsic
def now(typing_context: Any, pool: Any, place: Any) -> Any:
    """``now(pool, place)``: the number there."""
    return _of_words(2, types.int64, lambda b, *at: b.load_atomic(_at(b, *at), ORDER, 8))()


@intrinsic
def put(typing_context: Any, pool: Any, place: Any, number: Any) -> Any:
    """``put(pool, place, number)``: write it there."""
    return _of_words(3, types.void, lambda b, pool, place, n: b.store_atomic(n, _at(b, pool, place), ORDER, 8))()


@intrinsic
def fetch_add(typing_context: Any, pool: Any, place: Any, number: Any) -> Any:
    """``fetch_add(pool, place, number)``: add it; returns the sum without it."""
    return _of_words(3, types.int64, lambda b, pool, place, n: b.atomic_rmw("add", _at(b, pool, place), n, ORDER))()


@intrinsic
def exchange(typing_context: Any, pool: Any, place: Any, number: Any) -> Any:
    """``exchange(pool, place, number)``: write it; returns what was there."""
    return _of_words(3, types.int64, lambda b, pool, place, n: b.atomic_rmw("xchg", _at(b, pool, place), n, ORDER))()


@intrinsic
def pause(typing_context: Any) -> Any:
    """``pause()``: some 10 to 50 ns in which a thread that waits leaves its core to the core's other thread."""
    x86, arm = ("llvm.x86.sse2.pause", []), ("llvm.aarch64.isb", [ir.Constant(NUMBER, 15)])
    hints = {"x86_64": x86, "AMD64": x86, "aarch64": arm, "arm64": arm}

    def build(builder: Any) -> None:
        if platform.machine() in hints:
            name, args = hints[platform.machine()]
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in args])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return _of_words(0, types.void, build)()


@intrinsic
def run_piece(typing_context: Any, function: Any, args: Any, first: Any, last: Any) -> Any:
    """``run_piece(function, args, first, last)``: call the function at this address, a PIECE; 0 if all went well."""

    def build(builder: Any, function: Any, args: Any, first: Any, last: Any) -> Any:
        callee = builder.inttoptr(function, PIECE.as_pointer())
        return builder.sext(builder.call(callee, [builder.inttoptr(args, BYTES), first, last]), WORD)

    return _of_words(4, types.int64, build)()


@intrinsic
def acquire(typing_context: Any, function: Any, lock: Any) -> Any:
    """``acquire(function, lock)``: by the function at this address, PyThread_acquire_lock, sleep until it is free."""
    kind = ir.FunctionType(NUMBER, [BYTES, NUMBER])

    def build(builder: Any, function: Any, lock: Any) -> Any:
        callee = builder.inttoptr(function, kind.as_pointer())
        return builder.call(callee, [builder.inttoptr(lock, BYTES), ir.Constant(NUMBER, 1)])

    return _of_words(2, types.void, build)()


@intrinsic
def release(typing_context: Any, function: Any, lock: Any) -> Any:
    """``release(function, lock)``: by the function at this address, PyThread_release_lock."""
    kind = ir.FunctionType(ir.VoidType(), [BYTES])

    def build(builder: Any, function: Any, lock: Any) -> Any:
        return builder.call(builder.inttoptr(function, kind.as_pointer()), [builder.inttoptr(lock, BYTES)])

    return _of_words(2, types.void, build)()
