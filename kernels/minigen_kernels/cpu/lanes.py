"""A row of floats in one vector register, as a value that Numba code can hold.

Numba vectorises plain loops by itself, but it will not keep a block of sums in registers over a
long loop, which is what separates a fast matrix product from a slow one. Five small functions
make that sayable: `load`, `store`, `splat` (one number in every lane), `mul_add` and `total` (the
sum of the lanes). They exist only inside functions compiled by Numba; each of them becomes one or
two machine instructions. Like ``jit.py``, this file is seen by no cache: after a change here, clear
the ``__pycache__`` folder.

Imports: Numba and llvmlite. Read next: ``conv.py``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

#: Bytes of a register: 64 with AVX-512, else 32 (AVX; machines with less use two registers for one).
REGISTER_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32


class Lanes(types.Type):  # type: ignore[misc]
    """Numba's type of such a row: as many numbers of type `dtype` as fit in a register."""

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
def load(typing_context: Any, array: Any, i: Any) -> Any:
    """``load(array, i)``: the lanes array[i], array[i + 1], ... of a flat array."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, array, args[0], args[1], context.get_value_type(lanes))
        value = builder.load(place)
        value.align = array.dtype.bitwidth // 8
        return value

    return lanes(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, i: Any, lanes: Any) -> Any:
    """``store(array, i, lanes)``: write them to array[i], array[i + 1], ... of a flat array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, array, args[0], args[1], context.get_value_type(lanes))
        builder.store(args[2], place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def load_some(typing_context: Any, array: Any, i: Any, count: Any) -> Any:
    """``load_some(array, i, count)``: only the first `count` of the lanes, the others are zero."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(lanes)
        place = _address(context, builder, array, args[0], args[1], vector)
        mask = _first_lanes(builder, args[2], lanes.count)
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        kind = ir.FunctionType(vector, [place.type, align.type, mask.type, vector])
        name = f"llvm.masked.load.v{lanes.count}f{array.dtype.bitwidth}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [place, align, mask, ir.Constant(vector, None)])

    return lanes(array, types.intp, types.intp), generate


@intrinsic
def store_some(typing_context: Any, array: Any, i: Any, lanes: Any, count: Any) -> Any:
    """``store_some(array, i, lanes, count)``: write only the first `count` of the lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(lanes)
        place = _address(context, builder, array, args[0], args[1], vector)
        mask = _first_lanes(builder, args[3], lanes.count)
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        kind = ir.FunctionType(ir.VoidType(), [vector, place.type, align.type, mask.type])
        name = f"llvm.masked.store.v{lanes.count}f{array.dtype.bitwidth}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [args[2], place, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes, types.intp), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """``splat(number)``: lanes that all hold this number."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(lanes)
        int32 = ir.IntType(32)
        empty = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(empty, args[0], ir.Constant(int32, 0))
        zeros = ir.Constant(ir.VectorType(int32, lanes.count), [0] * lanes.count)
        return builder.shuffle_vector(first, empty, zeros)

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
        int32 = ir.IntType(32)
        value, count = args[0], lanes.count
        while count > 1:
            count //= 2
            halves = [
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(int32, count), list(range(first, first + count))),
                )
                for first in (0, count)
            ]
            value = builder.fadd(*halves)
        return builder.extract_element(value, ir.Constant(int32, 0))

    return lanes.dtype(lanes), generate


def _address(context: Any, builder: Any, array: Any, value: Any, i: Any, vector: Any) -> Any:
    """The address of element i of a contiguous array, as that of a vector."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [i]), vector.as_pointer())


def _first_lanes(builder: Any, count: Any, lanes: int) -> Any:
    """A mask that is true in the lanes 0, 1, ..., count - 1."""
    numbers = ir.VectorType(count.type, lanes)
    first = builder.insert_element(
        ir.Constant(numbers, ir.Undefined), count, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    counts = builder.shuffle_vector(first, ir.Constant(numbers, ir.Undefined), zeros)
    return builder.icmp_signed("<", ir.Constant(numbers, list(range(lanes))), counts)
