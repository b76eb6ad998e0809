"""Choices in registers: the leaky ReLU, and the places of maxima.

* ``leaky``, ``leaky_gradient``: the leaky ReLU and the gradient of its argument;
* ``store_places``: where the maxima of windows were found; ``keep_where``: numbers of which that is known.

Imports: Numba and llvmlite, ``lanes.py``. Read next: ``pool_last.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from minigen_kernels.cpu.lanes import INT32, intrinsic, number_address, splat_value


@intrinsic
def leaky(typing_context: Any, lanes: Any, slope: Any) -> Any:
    """``leaky(lanes, slope)``: lanes below 0 times the slope, for slope 0 exactly 0; a NaN stays one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        below = builder.fcmp_ordered("<", args[0], ir.Constant(args[0].type, None))
        return builder.select(below, _leaked(builder, *args), args[0])

    return lanes(lanes, lanes.dtype), generate


@intrinsic
def leaky_gradient(typing_context: Any, lanes: Any, results: Any, slope: Any) -> Any:
    """``leaky_gradient(lanes, results, slope)``: lanes where results > 0, the others times the slope (for 0: 0)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, results, slope = args
        above = builder.fcmp_ordered(">", results, ir.Constant(results.type, None))
        return builder.select(above, value, _leaked(builder, value, slope))

    return lanes(lanes, lanes, lanes.dtype), generate


@intrinsic
def keep_where(typing_context: Any, lanes: Any, numbers: Any, i: Any, number: Any) -> Any:
    """``keep_where(lanes, numbers, i, number)``: the lanes with numbers[i + lane] == number, zero in the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, array, i, wanted = args
        there = builder.load(_address(context, builder, numbers, array, i, lanes.count))
        there.align = numbers.dtype.bitwidth // 8
        same = builder.icmp_signed("==", there, splat_value(builder, wanted, lanes.count))
        return builder.select(same, value, ir.Constant(value.type, None))

    return lanes(lanes, numbers, types.intp, types.intp), generate


@intrinsic
def store_places(
    typing_context: Any, numbers: Any, i: Any, marks: Any, row: Any, edge: Any, column: Any, step: Any
) -> Any:
    """``store_places(numbers, i, marks, row, edge, column, step)``: numbers[i + lane] = row + column + the mark.

    Where the mark is negative, edge + max(column, 0). From lane to lane the column grows by `step`.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, i, value, row, edge, column, step = args
        n = marks.count
        words = ir.VectorType(column.type, n)
        apart = builder.mul(splat_value(builder, step, n), ir.Constant(words, list(range(n))))
        columns = builder.add(splat_value(builder, column, n), apart)
        whole = builder.fptosi(value, ir.VectorType(INT32, n))
        below = builder.icmp_signed("<", whole, ir.Constant(whole.type, None))
        places = builder.add(builder.sext(whole, words), builder.add(columns, splat_value(builder, row, n)))
        left = builder.icmp_signed("<", columns, ir.Constant(words, None))
        nearest = builder.select(left, ir.Constant(words, None), columns)
        places = builder.select(below, builder.add(nearest, splat_value(builder, edge, n)), places)
        target = _address(context, builder, numbers, array, i, n)
        builder.store(places, target).align = numbers.dtype.bitwidth // 8
        return context.get_dummy_value()

    intp = types.intp
    return types.void(numbers, intp, marks, intp, intp, intp, intp), generate


def _leaked(builder: Any, value: Any, slope: Any) -> Any:
    """A vector times the slope; for slope 0 exactly 0, also infinities and NaN."""
    none = builder.fcmp_ordered("==", slope, ir.Constant(slope.type, 0.0))
    product = builder.fmul(value, splat_value(builder, slope, value.type.count))
    return builder.select(none, ir.Constant(value.type, None), product)


def _address(context: Any, builder: Any, array: Any, value: Any, i: Any, count: int) -> Any:
    """The address of `count` elements of an array of whole numbers, from i on, as that of a vector."""
    place = number_address(context, builder, array, value, i)
    return builder.bitcast(place, ir.VectorType(place.type.pointee, count).as_pointer())
