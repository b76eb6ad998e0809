"""Numbers that several threads read and write, for Numba code: indivisible operations, in one order for all threads.

A place is the number of a 64-bit number in a pool, whose address is given. ``now`` and ``put`` read and write it,
``fetch_add`` and ``exchange`` return what was there before. Besides these, a ``pause`` for loops that wait, and a
``call`` of a C function. All exist only inside functions compiled by Numba.

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

WORD, INT = ir.IntType(64), ir.IntType(32)
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
    x86: tuple[str, list[Any]] = ("llvm.x86.sse2.pause", [])
    arm = ("llvm.aarch64.isb", [ir.Constant(INT, 15)])
    hints = {"x86_64": x86, "AMD64": x86, "aarch64": arm, "arm64": arm}

    def build(builder: Any) -> None:
        if platform.machine() in hints:
            name, args = hints[platform.machine()]
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in args])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return _of_words(0, types.void, build)()


@intrinsic
def call(typing_context: Any, function: Any, a: Any, b: Any, c: Any) -> Any:
    """``call(function, a, b, c)``: the C function at this address, of up to three numbers or addresses: an int.

    A function of fewer arguments leaves the last ones alone in every calling convention of today's 64-bit machines.
    """
    kind = ir.FunctionType(INT, [WORD] * 3)

    def build(builder: Any, function: Any, *args: Any) -> Any:
        return builder.sext(builder.call(builder.inttoptr(function, kind.as_pointer()), args), WORD)

    return _of_words(4, types.int64, build)()
