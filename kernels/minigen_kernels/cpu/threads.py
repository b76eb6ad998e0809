"""The work of a kernel in pieces, which several threads may share.

A kernel names a function of a range, a count, and the size of a piece::

    @njit_inner(fastmath=FASTMATH)
    def _double_part(first, last, x, y):
        x, y = x[first:last], y[first:last]  # with an index from 0 on the loop is vectorised
        for i in range(x.size):
            y[i] = 2 * x[i]

    @njit_cached(fastmath=FASTMATH)
    def _double(x, y):
        share(_double_part, x.size, PIECE, (x, y))

`njit_shared` makes the second function of the first. The pieces depend on the count alone, never on the number of
threads, and one thread goes through the same pieces with the same code. So the bits of a result are those of one
thread, if no piece reads what another writes. In a sum over all, each piece writes its part to a place of its own, and
the kernel adds the parts in order. With one thread, `share` is a loop; with more see ``workers.py``.

Subnormal numbers, those below 1.2e-38 in float32, take an Intel processor some 150 cycles each instead of a fraction of
one. A decoder that is sure of its pixels has millions of them: its sigmoids are nearly 0, and so are their gradients.
So the pieces of `share` - products, convolutions, sums, updates of optimizers - read and write them as zeros on x86
processors, as kernels of CuPy do. Those of `njit_shared`, functions of single numbers, keep them. After each piece the
processor is as before, because programs around minigen may count on subnormal numbers.

Imports: Numba and llvmlite, ``jit.py``, ``lanes.py``, ``workers.py``. Read next: ``workers.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import contextlib
import functools
import inspect
import platform
from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels.cpu.atomic import INT, WORD
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import intrinsic
from minigen_kernels.cpu.workers import PLACES, SHARE, SYMBOL, THREADS

#: How many numbers a piece has where each is computed by itself: some microseconds of work.
PIECE = 1 << 14
#: About how many slices a large array has: long ones are faster than short ones, where memory is the limit.
SLICES = 16
BYTES = ir.IntType(8).as_pointer()
#: Bits of the register MXCSR of x86 processors: subnormal results become zeros, subnormal arguments are read as zeros.
FLUSH = 1 << 15 | 1 << 6
#: Code of a range of the work: function(arguments, first, last), 0 if no error was raised.
CODE = ir.FunctionType(INT, [BYTES, WORD, WORD])


def njit_shared(piece: int = PIECE, **options: Any) -> Callable[[Callable[..., None]], Any]:
    """A decorator for kernels whose work is shared: `njit_cached` with the same arguments.

    f(first, last, ...) becomes a kernel of (count, ...), which does the ranges of `piece` numbers below `count`. Any
    other function has arrays and computes each number, or each sample, by itself: it gets slices of the arrays that
    have as many axes as the first argument, see `share_slices`.
    """

    def decorate(function: Callable[..., None]) -> Any:
        names = list(inspect.signature(function).parameters)
        if names[:2] == ["first", "last"]:
            head, args, work = "count", names[2:], "share(body, count, piece"
        else:
            head, args, work = names[0], names, "share_slices(body"
        parameters = ", ".join(dict.fromkeys([head, *args]))
        scope: dict[str, Any] = {"share": share_exactly, "share_slices": share_slices, "piece": piece}
        scope["body"] = njit_inner(**options)(function)
        exec(f"def kernel({parameters}): {work}, ({', '.join(args)},))", scope)
        kernel: Any = scope["kernel"]
        functools.update_wrapper(kernel, function)
        del kernel.__wrapped__  # Numba would take its arguments
        return njit_cached(function, **options)(kernel)

    return decorate


@intrinsic
def share(typing_context: Any, body: Any, count: Any, piece: Any, args: Any) -> Any:
    """``share(body, count, piece, args)``: body(first, last, *args) for the ranges of `piece` numbers below `count`.

    `body` is compiled by Numba and returns nothing; `args` is a tuple. MemoryError if a piece raises an error.
    """
    return _sharing(typing_context, body, args, flush=True)


@intrinsic
def share_exactly(typing_context: Any, body: Any, count: Any, piece: Any, args: Any) -> Any:
    """As `share`, with subnormal numbers."""
    return _sharing(typing_context, body, args, flush=False)


def _sharing(typing_context: Any, body: Any, args: Any, flush: bool) -> tuple[Any, Any]:
    """The typing and code of `share` and `share_exactly`."""
    signature = typing_context.resolve_function_type(body, (types.intp, types.intp, *args), {})

    def generate(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        _share_pieces(context, builder, body, signature, args, flush, *values[1:])
        return context.get_dummy_value()

    return types.void(body, types.intp, types.intp, args), generate


@intrinsic
def share_slices(typing_context: Any, body: Any, args: Any) -> Any:
    """``share_slices(body, args)``: body(*args) for slices, along their first axis, of the arrays among `args`.

    These are all arrays of as many axes as the first of `args`; they are equally long. A slice of that one has about
    PIECE numbers, and more where there would be more than SLICES slices. The rest is as for `share`.
    """
    signature = typing_context.resolve_function_type(body, tuple(args), {})

    def generate(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        array = context.make_array(args[0])(context, builder, builder.extract_value(values[1], 0))
        length = cgutils.unpack_tuple(builder, array.shape)[0]
        unit = 64 if args[0].ndim == 1 else 1  # whole lines of the cache
        parts = builder.sdiv(length, ir.Constant(WORD, SLICES * unit))
        numbers = builder.sdiv(array.nitems, _larger(builder, length, 1))  # in one place of the axis
        piece = builder.sdiv(ir.Constant(WORD, PIECE), _larger(builder, numbers, 1))
        piece = _larger(builder, _larger(builder, piece, builder.mul(parts, ir.Constant(WORD, unit))), 1)
        _share_pieces(context, builder, body, signature, args, False, length, piece, values[1])
        return context.get_dummy_value()

    return types.void(body, args), generate


def _larger(builder: Any, a: Any, b: Any) -> Any:
    b = ir.Constant(WORD, b) if isinstance(b, int) else b
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def _share_pieces(
    context: Any,
    builder: Any,
    body: Any,
    signature: Any,
    args: Any,
    flush: bool,
    count: Any,
    piece: Any,
    tuple_value: Any,
) -> None:
    """Builds the code of `share` and, if `body` takes no range, of `share_slices`."""
    members = ir.LiteralStructType([context.get_value_type(kind) for kind in args])
    compiled = body.dispatcher.overloads[signature.args]
    context.add_linking_libs([compiled.library])
    function = _piece_function(context, builder.module, compiled, signature, args, members, flush)
    data = cgutils.alloca_once(builder, members)
    for i, value in enumerate(cgutils.unpack_tuple(builder, tuple_value)):
        builder.store(value, cgutils.gep_inbounds(builder, data, 0, i))
    failed = _run_all(builder, function, builder.bitcast(data, BYTES), count, piece)
    with builder.if_then(cgutils.is_not_null(builder, failed), likely=False):
        context.call_conv.return_user_exc(builder, MemoryError, ("a part of a kernel failed",))


def _piece_function(
    context: Any, module: Any, compiled: Any, signature: Any, kinds: Any, members: Any, flush: bool
) -> Any:
    """A new CODE in the module: it calls `compiled` with the range and the arguments, which are `members` in memory.

    With `flush` subnormal numbers are zeros meanwhile. It is inlined nowhere: whoever goes through the pieces, the code
    is the same.
    """
    function = ir.Function(module, CODE, module.get_unique_name(f"piece.{compiled.fndesc.unique_name}"))
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    data, first, last = function.args
    data = builder.bitcast(data, members.as_pointer())
    args = [builder.load(cgutils.gep_inbounds(builder, data, 0, i)) for i in range(len(kinds))]
    if len(signature.args) == len(kinds):
        for i, kind in enumerate(kinds):
            if isinstance(kind, types.Array) and kind.ndim == kinds[0].ndim:
                args[i] = _slice(context, builder, kind, args[i], first, last)
    else:
        args = [first, last, *args]
    with _flushed(builder) if flush else contextlib.nullcontext():
        status, _ = context.call_internal_no_propagate(builder, compiled.fndesc, signature, args)
    builder.ret(builder.zext(status.is_error, INT))
    return function


@contextlib.contextmanager
def _flushed(builder: Any) -> Iterator[None]:
    """What is built inside reads and writes subnormal numbers as zeros, on x86 processors."""
    if platform.machine() not in ("x86_64", "AMD64"):
        yield
        return
    kind = ir.FunctionType(ir.VoidType(), [BYTES])
    read, write = (
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}") for name in ("stmxcsr", "ldmxcsr")
    )
    before, inside = cgutils.alloca_once(builder, INT), cgutils.alloca_once(builder, INT)
    builder.call(read, [builder.bitcast(before, BYTES)])
    builder.store(builder.or_(builder.load(before), ir.Constant(INT, FLUSH)), inside)
    builder.call(write, [builder.bitcast(inside, BYTES)])
    yield
    builder.call(write, [builder.bitcast(before, BYTES)])


def _slice(context: Any, builder: Any, kind: Any, value: Any, first: Any, last: Any) -> Any:
    """value[first:last] of an array."""
    array = context.make_array(kind)(context, builder, value)
    length, *others = cgutils.unpack_tuple(builder, array.shape)
    step = cgutils.unpack_tuple(builder, array.strides)[0]
    array.data = cgutils.pointer_add(builder, array.data, builder.mul(first, step))
    count = builder.sub(last, first)
    array.nitems = builder.mul(builder.sdiv(array.nitems, length), count)
    array.shape = cgutils.pack_array(builder, [count, *others])
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
