"""SIMD vectors for Numba code: a row of floats in one vector register as a value.

Numba vectorises simple loops, but it does not keep a block of sums in registers over a long loop, nor fill a register
from a line of 14 cells, and fast kernels need both. The functions here exist only inside functions compiled by Numba,
and each becomes a few machine instructions:

* ``load`` and ``store``: all lanes, from and to neighbouring places of a flat array;
* ``take`` and ``put``: some of the lanes, from and to places `step` apart;
* ``first_aligned``: a place where a register can be loaded from one line of the cache;
* ``splat``: one number in every lane; ``lane_count``: how many lanes there are;
* ``add``, ``subtract``, ``mul_add``, ``divide``: arithmetic in every lane; ``total``: the sum of the lanes;
* ``keep_larger``: a step of a search for the maximum.

Indices are not checked; only the places of the selected lanes are accessed.

Imports: Numba and llvmlite. Read next: ``squares.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

#: Bytes of a register: 64 with AVX-512, else 32 (AVX; a machine with less takes two for one).
REGISTER_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32

INT32 = ir.IntType(32)


def intrinsic(typing: Callable[..., Any]) -> Any:
    """Numba's `intrinsic`: `typing` gets the types of a call and returns its signature and how to build its code.

    The typing context, which Numba passes first, is no argument of the call.
    """
    return numba_intrinsic(typing)


class Lanes(types.Type):
    """Numba's type of such a vector: as many numbers of type `dtype` as fit into a register."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.count = REGISTER_BYTES * 8 // dtype.bitwidth
        super().__init__(f"Lanes({dtype}, {self.count})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """The LLVM type of `Lanes`: a vector."""

    def __init__(self, manager: Any, lanes: Any) -> None:
        number = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(number, lanes.count))


@intrinsic
def lane_count(typing_context: Any, array: Any) -> Any:
    """``lane_count(array)``: how many of its numbers a register holds, known to the compiler."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, Lanes(array.dtype).count)

    return types.intp(array), generate


@intrinsic
def first_aligned(typing_context: Any, array: Any) -> Any:
    """``first_aligned(array)``: the least i for which array[i] begins a cache line of 64 bytes.

    A register that begins there lies in one line.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.ptrtoint(context.make_array(array)(context, builder, args[0]).data, ir.IntType(64))
        beyond = builder.and_(builder.neg(address), ir.Constant(address.type, 63))
        return builder.udiv(beyond, ir.Constant(address.type, array.dtype.bitwidth // 8))

    return types.intp(array), generate


@intrinsic
def load(typing_context: Any, array: Any, i: Any) -> Any:
    """``load(array, i)``: the lanes array[i], array[i + 1], ..."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(vector_address(context, builder, array, *args))
        value.align = array.dtype.bitwidth // 8
        return value

    return lanes(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, i: Any, lanes: Any) -> Any:
    """``store(array, i, lanes)``: write them to array[i], array[i + 1], ..."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = vector_address(context, builder, array, *args[:2])
        builder.store(args[2], place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def take(typing_context: Any, array: Any, i: Any, step: Any, low: Any, high: Any, rest: Any) -> Any:
    """``take(array, i, step, low, high, rest)``: array[i + lane * step] in the lanes from low to high - 1.

    In the others, the lanes of `rest`.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_value, i, step, low, high, rest_value = args
        n = rest.count
        result = cgutils.alloca_once_value(builder, rest_value)
        for known in (1, 2):  # then every known-th lane of as many registers
            with builder.if_then(builder.icmp_signed("==", step, ir.Constant(step.type, known))):
                value = rest_value
                for first in range(0, known * n, n):
                    places = range(first, first + n)
                    mask = between(builder, low, high, [_lane_at(p, known, n) for p in places])
                    address = vector_address(context, builder, array, array_value, i, first)
                    register = masked(builder, "load", address, mask, rest)
                    wanted = [lane * known for lane in range(n)]
                    order = [n + p - first if p in places else lane for lane, p in enumerate(wanted)]
                    value = shuffle(builder, value, register, order)
                mask = between(builder, low, high, range(n))
                builder.store(builder.select(mask, value, rest_value), result)
        for lane, place in _apart(builder, step, low, high, n):
            address = number_address(context, builder, array, array_value, builder.add(i, place))
            value = builder.insert_element(builder.load(result), builder.load(address), lane)
            builder.store(value, result)
        return builder.load(result)

    intp = types.intp
    return rest(array, intp, intp, intp, intp, rest), generate


@intrinsic
def put(typing_context: Any, array: Any, i: Any, step: Any, low: Any, high: Any, lanes: Any) -> Any:
    """``put(array, i, step, low, high, lanes)``: write array[i + lane * step], low <= lane < high."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_value, i, step, low, high, value = args
        n = lanes.count
        for known in (1, 2):
            with builder.if_then(builder.icmp_signed("==", step, ir.Constant(step.type, known))):
                for first in range(0, known * n, n):
                    places = range(first, first + n)
                    mask = between(builder, low, high, [_lane_at(p, known, n) for p in places])
                    address = vector_address(context, builder, array, array_value, i, first)
                    spread = shuffle(builder, value, value, [p // known for p in places])
                    masked(builder, "store", address, mask, lanes, spread)
        for lane, place in _apart(builder, step, low, high, n):
            address = number_address(context, builder, array, array_value, builder.add(i, place))
            builder.store(builder.extract_element(value, lane), address)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(array, intp, intp, intp, intp, lanes), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """``splat(number)``: lanes that all hold this number."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return splat_value(builder, args[0], lanes.count)

    return lanes(number), generate


def _lanewise(arity: int, build: Callable[..., Any]) -> Callable[..., Any]:
    """The typing and code of a function that does `build(builder, *lanes)` in every lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return build(builder, *args)

    def typing(lanes: Any) -> Any:
        return lanes(*[lanes] * arity), generate

    return typing


@intrinsic
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """``add(a, b)``: a + b in every lane."""
    return _lanewise(2, lambda builder, a, b: builder.fadd(a, b))(a)


@intrinsic
def divide(typing_context: Any, a: Any, b: Any) -> Any:
    """``divide(a, b)``: a / b in every lane."""
    return _lanewise(2, lambda builder, a, b: builder.fdiv(a, b))(a)


@intrinsic
def subtract(typing_context: Any, a: Any, b: Any) -> Any:
    """``subtract(a, b)``: a - b in every lane."""
    return _lanewise(2, lambda builder, a, b: builder.fsub(a, b))(a)


@intrinsic
def mul_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``mul_add(a, b, c)``: a * b + c in every lane, rounded once where the machine can."""

    def build(builder: Any, a: Any, b: Any, c: Any) -> Any:
        return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    return _lanewise(3, build)(a)


@intrinsic
def keep_larger(typing_context: Any, best: Any, mark: Any, here: Any, mark_here: Any) -> Any:
    """``best, mark = keep_larger(best, mark, here, mark_here)``: in every lane the larger with its mark.

    Of equals `best` stays. NaN counts as the largest, and the first NaN stays.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        best, mark, here, mark_here = args
        larger = builder.and_(builder.fcmp_unordered(">", here, best), builder.fcmp_ordered("ord", best, best))
        pair = [builder.select(larger, here, best), builder.select(larger, mark_here, mark)]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(best, 2)(best, best, best, best), generate


@intrinsic
def total(typing_context: Any, lanes: Any) -> Any:
    """``total(lanes)``: the sum of the lanes, by halves: lane l + lane l + n/2, and again."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, count = args[0], lanes.count
        while count > 1:
            count //= 2
            low = shuffle(builder, value, value, list(range(count)))
            high = shuffle(builder, value, value, list(range(count, 2 * count)))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(INT32, 0))

    return lanes.dtype(lanes), generate


def _lane_at(place: int, step: int, n: int) -> int:
    """The lane whose number stands at this place, n if none does."""
    return place // step if place % step == 0 else n


def _apart(builder: Any, step: Any, low: Any, high: Any, n: int) -> Iterator[tuple[Any, Any]]:
    """Builds a loop over single lanes, low <= lane < high, for steps beyond 2: lane, lane * step."""
    with builder.if_then(builder.icmp_signed(">", step, ir.Constant(step.type, 2))):
        with cgutils.for_range(builder, ir.Constant(step.type, n)) as loop:
            lane = loop.index
            above = builder.icmp_signed(">=", lane, low)
            with builder.if_then(builder.and_(above, builder.icmp_signed("<", lane, high))):
                yield lane, builder.mul(lane, step)


def number_address(context: Any, builder: Any, array: Any, value: Any, i: Any) -> Any:
    """The address of element i of a contiguous array."""
    return builder.gep(context.make_array(array)(context, builder, value).data, [i])


def vector_address(context: Any, builder: Any, array: Any, value: Any, i: Any, further: int = 0) -> Any:
    """The address of element i + further of a contiguous array, as that of a vector."""
    data = context.make_array(array)(context, builder, value).data
    vector = context.get_value_type(Lanes(array.dtype))
    place = builder.add(i, ir.Constant(i.type, further))
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def masked(builder: Any, verb: str, place: Any, mask: Any, lanes: Lanes, value: Any = None) -> Any:
    """LLVM's masked load or store: it touches only the places whose lane is in the mask."""
    bits = lanes.dtype.bitwidth
    vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), lanes.count)
    align = ir.Constant(INT32, bits // 8)
    if verb == "load":
        kind = ir.FunctionType(vector, [place.type, INT32, mask.type, vector])
        args = [place, align, mask, ir.Constant(vector, None)]
    else:
        kind = ir.FunctionType(ir.VoidType(), [vector, place.type, INT32, mask.type])
        args = [value, place, align, mask]
    name = f"llvm.masked.{verb}.v{lanes.count}f{bits}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def between(builder: Any, low: Any, high: Any, numbers: Iterable[int]) -> Any:
    """A mask: low <= number < high. Number n, the count of lanes, stands for no lane: false."""
    numbers = list(numbers)
    n = len(numbers)
    constants = ir.Constant(ir.VectorType(INT32, n), numbers)
    mask = ir.Constant(ir.VectorType(ir.IntType(1), n), [int(number < n) for number in numbers])
    for order, bound in ((">=", low), ("<", high)):
        bounds = splat_value(builder, builder.trunc(bound, INT32), n)  # half the work of 64 bits
        mask = builder.and_(mask, builder.icmp_signed(order, constants, bounds))
    return mask


def splat_value(builder: Any, number: Any, count: int) -> Any:
    """A vector of equal numbers."""
    empty = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(INT32, 0))
    return shuffle(builder, first, empty, [0] * count)


def shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    """The lanes of a and b, numbered on, in the given order."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(order)), order))
