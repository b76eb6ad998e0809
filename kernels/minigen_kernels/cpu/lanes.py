"""A row of floats in one vector register, as a value that Numba code can hold.

Numba vectorises plain loops by itself, but it will not keep a block of sums in registers over a
long loop, which is what separates a fast matrix product from a slow one. A few small functions make
that sayable. They exist only inside functions compiled by Numba, and each becomes a few machine
instructions:

* ``load`` and ``store``: all lanes from and to neighbouring places of a flat array;
* ``load_some`` and ``store_some``: the first few lanes, from and to places `step` apart (1 or 2);
* ``lane_count``: how many lanes there are; ``splat``: one number in every lane; ``mul_add``: a * b + c; ``total``: the sum of the lanes.

An array index may point at the last places only as far as lanes are loaded or stored there: nothing is
checked. Numba's cache does not see this file: after a change here, remove ``__pycache__``.

Imports: Numba and llvmlite. Read next: ``taps.py``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

#: Bytes of a register: 64 with AVX-512, else 32 (AVX; a machine with less takes two for one).
REGISTER_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32

INT32 = ir.IntType(32)


class Lanes(types.Type):  # type: ignore[misc]
    """Numba's type of such a row: as many numbers of type `dtype` as fit into a register."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.count = REGISTER_BYTES * 8 // dtype.bitwidth
        super().__init__(f"Lanes({dtype}, {self.count})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """How LLVM holds `Lanes`: as its own vector type."""

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
def load(typing_context: Any, array: Any, i: Any) -> Any:
    """``load(array, i)``: the lanes array[i], array[i + 1], ... of a flat array."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, array, *args))
        value.align = array.dtype.bitwidth // 8
        return value

    return lanes(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, i: Any, lanes: Any) -> Any:
    """``store(array, i, lanes)``: write them to array[i], array[i + 1], ... of a flat array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, array, *args[:2])
        builder.store(args[2], place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic(prefer_literal=True)
def load_some(typing_context: Any, array: Any, i: Any, count: Any, step: Any) -> Any:
    """``load_some(array, i, count, step)``: array[i], array[i + step], ... into the first lanes.

    Only `count` places are read, if there are so many lanes; the other lanes are zero. `step` is a
    literal, 1 or 2.
    """
    lanes, stride = Lanes(array.dtype), step.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, last = None, None
        for part in range(stride):
            place, mask = _part(context, builder, array, *args[:3], stride, part)
            last, value = value, _masked(builder, "load", place, mask, lanes)
        if last is None:
            return value
        return _shuffle(builder, last, value, list(range(0, 2 * lanes.count, 2)))

    return lanes(array, types.intp, types.intp, step), generate


@intrinsic(prefer_literal=True)
def store_some(
    typing_context: Any, array: Any, i: Any, lanes: Any, count: Any, step: Any
) -> Any:
    """``store_some(array, i, lanes, count, step)``: write the first lanes to array[i], array[i + step], ...

    Only `count` places are written, if there are so many lanes. `step` is a literal, 1 or 2.
    """
    stride = step.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n = lanes.count
        for part in range(stride):
            place, mask = _part(context, builder, array, args[0], args[1], args[3], stride, part)
            spread = [part * (n // stride) + lane // stride for lane in range(n)]
            value = _shuffle(builder, args[2], args[2], spread)
            _masked(builder, "store", place, mask, lanes, value)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes, types.intp, step), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """``splat(number)``: lanes that all hold this number."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], lanes.count)

    return lanes(number), generate


@intrinsic
def mul_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``mul_add(a, b, c)``: a * b + c in every lane, rounded once where the machine can."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[0], args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return c(a, b, c), generate


@intrinsic
def total(typing_context: Any, lanes: Any) -> Any:
    """``total(lanes)``: the sum of the lanes, by halves: lane i + lane i + n/2, and again."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, count = args[0], lanes.count
        while count > 1:
            count //= 2
            low = _shuffle(builder, value, value, list(range(count)))
            high = _shuffle(builder, value, value, list(range(count, 2 * count)))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(INT32, 0))

    return lanes.dtype(lanes), generate


def _address(context: Any, builder: Any, array: Any, value: Any, i: Any) -> Any:
    """The address of element i of a contiguous array, as that of a vector."""
    data = context.make_array(array)(context, builder, value).data
    vector = context.get_value_type(Lanes(array.dtype))
    return builder.bitcast(builder.gep(data, [i]), vector.as_pointer())


def _part(
    context: Any, builder: Any, array: Any, value: Any, i: Any, count: Any, stride: int, part: int
) -> tuple[Any, Any]:
    """Address and mask of register number `part` of those that `count` places, `stride` apart, cover."""
    lanes = Lanes(array.dtype).count
    start = builder.add(i, ir.Constant(i.type, part * lanes))
    numbers = ir.VectorType(count.type, lanes)
    place = ir.Constant(numbers, [(part * lanes + lane) // stride for lane in range(lanes)])
    mask = builder.icmp_signed("<", place, _splat(builder, count, lanes))
    wanted = ir.Constant(mask.type, [int(lane % stride == 0) for lane in range(lanes)])
    return _address(context, builder, array, value, start), builder.and_(mask, wanted)


def _masked(
    builder: Any, verb: str, place: Any, mask: Any, lanes: Any, value: Any = None
) -> Any:
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


def _splat(builder: Any, number: Any, count: int) -> Any:
    empty = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(INT32, 0))
    return _shuffle(builder, first, empty, [0] * count)


def _shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    """The lanes of a and b, numbered on, in the given order."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(order)), order))
