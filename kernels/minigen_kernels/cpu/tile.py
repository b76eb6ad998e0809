"""A block of a matrix product whose sums stay in registers.

A product c[i, j] = sum over k of a[i, k] * b[k, j] needs two numbers from memory for every multiplication, unless the
numbers are used again while they are in registers. So the sums of R rows and V registers of columns are kept in
R * V registers; for each k, V registers of b meet R numbers of a: R * V multiplications of registers for R + V loads.
With 16 registers R x V = 6 x 2 leaves just enough for the factors; with 32, 8 x 3. (Goto and van de Geijn, Anatomy of
high-performance matrix multiplication, ACM TOMS 34(3), 2008.)

A *row* is a place in the flat array a, and rows may be anywhere and overlap: those of a matrix, of its transpose, or
the windows of a convolution. The terms of a sum are numbered by two loops, each with its own step in a and in b.

* ``zeros``: the sums at the start; ``rows_at`` and ``rows_from``: places of R rows;
* ``multiply``: add products to the sums;
* ``write`` and ``add_to``: the sums to the result, whole or partly; ``prefetch``: what will be needed soon.

The compiler knows R and V: they are global integers, or the lengths of tuples. Indices are not checked.

Imports: Numba and llvmlite, ``lanes.py``. Read next: ``block.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError

from minigen_kernels.cpu.lanes import REGISTER_BYTES, Lanes, between, intrinsic, masked, number_address

#: The block that uses most of the registers: rows, registers of columns.
ROWS, REGISTERS = (8 if REGISTER_BYTES == 64 else 6), 2

UNROLLED = 4  # terms in a pass of the inner loop


def _literal(number: Any) -> int:
    if not isinstance(number, types.IntegerLiteral):
        raise TypingError("a number that is known when this is compiled is needed here")
    return int(number.literal_value)


@intrinsic
def zeros(typing_context: Any, array: Any, rows: Any, registers: Any) -> Any:
    """``zeros(array, R, V)``: R * V registers of zeros of the array's dtype, the sums of a block at the start."""
    sums = types.UniTuple(Lanes(array.dtype), _literal(rows) * _literal(registers))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(sums), None)

    return sums(array, rows, registers), generate


@intrinsic
def rows_at(typing_context: Any, first: Any, distance: Any, count: Any) -> Any:
    """``rows_at(first, distance, R)``: the places first + r * distance, r < R."""
    places = types.UniTuple(types.intp, _literal(count))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, found = args[0], [args[0]]
        for _ in range(1, places.count):
            place = builder.add(place, args[1])
            found.append(place)
        return context.make_tuple(builder, places, found)

    return places(types.intp, types.intp, count), generate


@intrinsic
def rows_from(typing_context: Any, index: Any, i: Any, count: Any) -> Any:
    """``rows_from(index, i, R)``: the places index[i], index[i + 1], ..., from a flat array of integers."""
    places = types.UniTuple(types.intp, _literal(count))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = []
        for r in range(places.count):
            place = builder.load(number_address(context, builder, index, args[0], _plus(builder, args[1], r)))
            found.append(context.cast(builder, place, index.dtype, types.intp))
        return context.make_tuple(builder, places, found)

    return places(index, types.intp, count), generate


@intrinsic
def multiply(
    typing_context: Any,
    sums: Any,
    a: Any,
    rows: Any,
    b: Any,
    at: Any,
    segments: Any,
    length: Any,
    a_segment: Any,
    a_step: Any,
    b_segment: Any,
    b_step: Any,
) -> Any:
    """``multiply(sums, a, rows, b, at, segments, length, a_segment, a_step, b_segment, b_step)``: sums and products.

    Returns sums[r * V + v] + the sum over s < segments and l < length of
    a[rows[r] + s * a_segment + l * a_step] * b[at + s * b_segment + l * b_step + v * lanes + lane].
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums_value, a_value, rows_value, b_value, at = args[:5]
        places = cgutils.unpack_tuple(builder, rows_value)
        firsts = [number_address(context, builder, a, a_value, row) for row in places]
        first = number_address(context, builder, b, b_value, at)
        totals = cgutils.unpack_tuple(builder, sums_value)
        totals = products(builder, totals, firsts, first, args[5:7], args[7::2], args[8::2])
        return context.make_tuple(builder, sums, totals)

    intp = types.intp
    return sums(sums, a, rows, b, intp, intp, intp, intp, intp, intp, intp), generate


def products(
    builder: Any, sums: list[Any], rows: list[Any], first: Any, counts: list[Any], outer: list[Any], inner: list[Any]
) -> list[Any]:
    """Build the loops of `multiply`: rows and first are addresses; the steps in a and b of segments and terms."""
    V, n = len(sums) // len(rows), sums[0].type.count

    def term(builder: Any, places: list[Any], totals: list[Any]) -> list[Any]:
        registers = [_register(builder, first, places[1], v * n, n) for v in range(V)]
        totals = list(totals)
        for r, row in enumerate(rows):
            factor = _spread(builder, builder.load(builder.gep(row, [places[0]], inbounds=True)), n)
            for v in range(V):
                totals[r * V + v] = _fused(builder, factor, registers[v], totals[r * V + v])
        return totals

    return _two_loops(builder, counts, outer, inner, sums, term)


def written(
    builder: Any, lanes: Lanes, rows: list[Any], totals: list[Any], height: Any, width: Any, begin: Any, sure: int = 0
) -> None:
    """Build the writing of a block of sums to the addresses `rows`, which is an addition unless `begin`.

    The first `sure` registers of a row are always whole. (Writing a part of a register is slow on many machines.)
    """
    R, n, align = len(rows), lanes.count, lanes.dtype.bitwidth // 8
    V, zero = len(totals) // R, ir.Constant(width.type, 0)
    parts = [(row, v, totals[r * V + v]) for r, row in enumerate(rows) for v in range(V)]
    enough = builder.icmp_signed(">=", height, ir.Constant(height.type, R))
    whole = builder.and_(enough, builder.icmp_signed(">=", width, ir.Constant(width.type, V * n)))
    with builder.if_else(whole) as (all_of_it, part):
        with all_of_it:
            with builder.if_else(begin) as (new, more):
                with new:
                    for row, v, value in parts:
                        builder.store(value, _vector_at(builder, row, zero, v * n, n)).align = align
                with more:
                    for row, v, value in parts:
                        value = builder.fadd(_register(builder, row, zero, v * n, n), value)
                        builder.store(value, _vector_at(builder, row, zero, v * n, n)).align = align
        with part:
            masks = [between(builder, zero, _plus(builder, width, -v * n), range(n)) for v in range(V)]
            nothing = ir.Constant(masks[0].type, None)
            for r, row in enumerate(rows):
                with builder.if_then(builder.icmp_signed(">", height, ir.Constant(height.type, r))):
                    for v, mask in enumerate(masks):
                        place, value = _vector_at(builder, row, zero, v * n, n), totals[r * V + v]
                        if v < sure:
                            old = builder.select(
                                begin, ir.Constant(value.type, None), _register(builder, row, zero, v * n, n)
                            )
                            builder.store(builder.fadd(old, value), place).align = align
                        else:
                            old = masked(builder, "load", place, builder.select(begin, nothing, mask), lanes)
                            masked(builder, "store", place, mask, lanes, builder.fadd(old, value))


def _writing(c: Any, rows: Any, sums: Any, begin: bool) -> Any:
    """The signature and code of `write` and `add_to`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        c_value, rows_value, sums_value, height, width = args
        places = cgutils.unpack_tuple(builder, rows_value)
        addresses = [number_address(context, builder, c, c_value, place) for place in places]
        totals = cgutils.unpack_tuple(builder, sums_value)
        written(builder, Lanes(c.dtype), addresses, totals, height, width, ir.Constant(ir.IntType(1), begin))
        return context.get_dummy_value()

    return types.void(c, rows, sums, types.intp, types.intp), generate


@intrinsic
def write(typing_context: Any, c: Any, rows: Any, sums: Any, height: Any, width: Any) -> Any:
    """``write(c, rows, sums, height, width)``: c[rows[r] + j] = the sums, for r < height and j < width.

    A height of R or more and a width of V * lanes or more mean the whole block.
    """
    return _writing(c, rows, sums, True)


@intrinsic
def add_to(typing_context: Any, c: Any, rows: Any, sums: Any, height: Any, width: Any) -> Any:
    """``add_to(c, rows, sums, height, width)``: c[rows[r] + j] += the sums, for r < height and j < width."""
    return _writing(c, rows, sums, False)


@intrinsic
def prefetch(typing_context: Any, array: Any, i: Any) -> Any:
    """``prefetch(array, i)``: begin to load the cache line of array[i], which may lie outside of the array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        prefetched(builder, number_address(context, builder, array, *args))
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _two_loops(
    builder: Any, counts: list[Any], outer: list[Any], inner: list[Any], sums: list[Any], term: Callable[..., Any]
) -> list[Any]:
    """Build the loops over segments and terms; `outer` and `inner` are the steps of the places in both factors."""
    segments, length = counts
    zero = ir.Constant(length.type, 0)
    passes = builder.sdiv(length, ir.Constant(length.type, UNROLLED))
    rest = builder.sub(length, builder.mul(passes, ir.Constant(length.type, UNROLLED)))

    def segment(builder: Any, state: list[Any]) -> list[Any]:
        starts, totals = state[:2], state[2:]
        state = _loop(builder, passes, [*starts, *totals], lambda builder, state: several(builder, state, UNROLLED))
        state = _loop(builder, rest, state, lambda builder, state: several(builder, state, 1))
        return [*(builder.add(start, step) for start, step in zip(starts, outer)), *state[2:]]

    def several(builder: Any, state: list[Any], count: int) -> list[Any]:
        places, totals = state[:2], state[2:]
        for _ in range(count):
            places = _hidden(builder, places)
            totals = term(builder, places, totals)
            places = [builder.add(place, step, flags=("nsw",)) for place, step in zip(places, inner)]
        return [*places, *totals]

    return _loop(builder, segments, [zero, zero, *sums], segment)[2:]


def _hidden(builder: Any, places: list[Any]) -> list[Any]:
    """Where the compiler must not know the places, and not move a load to before this one.

    It would compute all addresses of a loop beforehand, load far ahead, and run out of registers.
    """
    kind = ir.FunctionType(places[0].type, [places[0].type])
    return [builder.call(ir.InlineAsm(kind, "", "=r,0,~{memory}", side_effect=True), [place]) for place in places]


def _loop(builder: Any, count: Any, state: list[Any], body: Callable[..., list[Any]]) -> list[Any]:
    """Build a loop: state = body(state), `count` times; what it holds stays in registers."""
    before, inside, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("end")
    none = ir.Constant(count.type, 0)
    builder.cbranch(builder.icmp_signed(">", count, none), inside, after)
    builder.position_at_end(inside)
    left = builder.phi(count.type)
    left.add_incoming(count, before)
    values = []
    for value in state:
        values.append(builder.phi(value.type))
        values[-1].add_incoming(value, before)
    new = body(builder, values)
    fewer = builder.sub(left, ir.Constant(count.type, 1))
    end = builder.block
    for phi, value in zip([left, *values], [fewer, *new]):
        phi.add_incoming(value, end)
    builder.cbranch(builder.icmp_signed(">", fewer, none), inside, after)
    builder.position_at_end(after)
    results = []
    for first, last in zip(state, new):
        results.append(builder.phi(first.type))
        results[-1].add_incoming(first, before)
        results[-1].add_incoming(last, end)
    return results


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once where the machine can."""
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _spread(builder: Any, number: Any, n: int) -> Any:
    """The number in all n lanes."""
    empty = ir.Constant(ir.VectorType(number.type, n), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), n), None))


def _register(builder: Any, row: Any, place: Any, further: int, n: int) -> Any:
    """The n numbers from row[place + further] on."""
    value = builder.load(_vector_at(builder, row, place, further, n))
    value.align = 4 if value.type.element == ir.FloatType() else 8
    return value


def _vector_at(builder: Any, row: Any, place: Any, further: int, n: int) -> Any:
    """The address of row[place + further] as that of a vector."""
    address = builder.gep(row, [place], inbounds=True)
    if further:
        address = builder.gep(address, [ir.Constant(place.type, further)], inbounds=True)
    return builder.bitcast(address, ir.VectorType(row.type.pointee, n).as_pointer())


def prefetched(builder: Any, address: Any) -> None:
    """Build a prefetch of the cache line at this address."""
    place, word = builder.bitcast(address, cgutils.voidptr_t), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [place, *(ir.Constant(word, number) for number in (0, 3, 1))])  # read, near, data


def _plus(builder: Any, i: Any, number: int) -> Any:
    return builder.add(i, ir.Constant(i.type, number))
