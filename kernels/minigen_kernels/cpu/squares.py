"""Transposes of square blocks in registers: n registers of n lanes each.

A register with one cell of an image for each of many samples needs numbers from as many places. Copying them one by one
costs more than the arithmetic on small images. So a square is transposed at once: neighbouring cells of some samples
are loaded, a register for each sample; after the transpose there is a register for each cell.

* ``put_transposed``: a square from one matrix to another;
* ``scatter_square``: from images to registers that have one cell of all samples;
* ``gather_square``: the inverse.

Imports: Numba and llvmlite, ``lanes.py``. Read next: ``taps.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.core import types

from minigen_kernels.cpu.lanes import Lanes, between, intrinsic, masked, number_address, shuffle, vector_address


@intrinsic
def put_transposed(typing_context: Any, target: Any, j: Any, down: Any, array: Any, i: Any, across: Any) -> Any:
    """``put_transposed(target, j, down, array, i, across)``: n rows of n numbers, for n lanes, written as columns.

    The rows begin at array[i], array[i + across], ...; those of the result at target[j], target[j + down], and so on.
    First neighbouring lanes of neighbouring rows change places, then pairs of lanes of the rows after the next, ...
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target_value, j, down, array_value, i, across = args
        n, align, rows = Lanes(array.dtype).count, array.dtype.bitwidth // 8, []
        for r in range(n):
            place = builder.add(i, builder.mul(across, ir.Constant(across.type, r)))
            rows.append(builder.load(vector_address(context, builder, array, array_value, place)))
            rows[r].align = align
        rows = turned(builder, rows)
        for r in range(n):
            place = builder.add(j, builder.mul(down, ir.Constant(down.type, r)))
            builder.store(rows[r], vector_address(context, builder, target, target_value, place)).align = align
        return context.get_dummy_value()

    intp = types.intp
    return types.void(target, intp, intp, array, intp, intp), generate


@intrinsic
def scatter_square(
    typing_context: Any, images: Any, i: Any, pitch: Any, high: Any, wide: Any, frame: Any, at: Any, places: Any, j: Any
) -> Any:
    """``scatter_square(images, i, pitch, high, wide, frame, at, places, j)``: a column to each of n places.

    The rows begin at images[i], images[i + pitch], ...; there are `high` of them with `wide` numbers, the rest is zero.
    The columns, whole registers, go to frame[at + places[j]], frame[at + places[j + 1]], ...; none to negative places.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        images_value, i, pitch, high, wide, frame_value, at, places_value, j = args
        rows = []
        for address, mask in _rows(context, builder, images, images_value, i, pitch, high, wide):
            rows.append(masked(builder, "load", address, mask, Lanes(images.dtype)))
        for k, column in enumerate(turned(builder, rows)):
            place = _place(context, builder, places, places_value, j, k)
            with builder.if_then(builder.icmp_signed(">=", place, ir.Constant(place.type, 0))):
                address = vector_address(context, builder, frame, frame_value, builder.add(at, place))
                builder.store(column, address).align = frame.dtype.bitwidth // 8
        return context.get_dummy_value()

    intp = types.intp
    return types.void(images, intp, intp, intp, intp, frame, intp, places, intp), generate


@intrinsic
def gather_square(
    typing_context: Any, images: Any, i: Any, pitch: Any, high: Any, wide: Any, frame: Any, at: Any, places: Any, j: Any
) -> Any:
    """``gather_square(images, i, pitch, high, wide, frame, at, places, j)``: the inverse.

    Negative places give zeros.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        images_value, i, pitch, high, wide, frame_value, at, places_value, j = args
        lanes, columns = Lanes(images.dtype), []
        zeros = ir.Constant(context.get_value_type(lanes), None)
        for k in range(lanes.count):
            place = _place(context, builder, places, places_value, j, k)
            there = builder.icmp_signed(">=", place, ir.Constant(place.type, 0))
            place = builder.select(there, place, ir.Constant(place.type, 0))
            column = builder.load(vector_address(context, builder, frame, frame_value, builder.add(at, place)))
            column.align = frame.dtype.bitwidth // 8
            columns.append(builder.select(there, column, zeros))
        rows = _rows(context, builder, images, images_value, i, pitch, high, wide)
        for row, (address, mask) in zip(turned(builder, columns), rows):
            masked(builder, "store", address, mask, lanes, row)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(images, intp, intp, intp, intp, frame, intp, places, intp), generate


def turned(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of a square of n registers of n lanes.

    First neighbouring lanes of neighbouring rows change places, then pairs of lanes of the rows after the next, ...
    """
    n, rows = len(rows), list(rows)
    for step in [2**k for k in range(n.bit_length() - 1)]:
        low = [lane + n - step if lane & step else lane for lane in range(n)]
        high = [lane + n if lane & step else lane + step for lane in range(n)]
        for r in [r for r in range(n) if not r & step]:
            pair = rows[r], rows[r + step]
            rows[r], rows[r + step] = shuffle(builder, *pair, low), shuffle(builder, *pair, high)
    return rows


def _rows(
    context: Any, builder: Any, array: Any, value: Any, i: Any, pitch: Any, high: Any, wide: Any
) -> Iterator[tuple[Any, Any]]:
    """The address of each row of a square in an array, and a mask of the numbers there are."""
    lanes, zero = Lanes(array.dtype), ir.Constant(i.type, 0)
    for row in range(lanes.count):
        numbers = builder.select(builder.icmp_signed(">", high, ir.Constant(i.type, row)), wide, zero)
        start = builder.add(i, builder.mul(pitch, ir.Constant(i.type, row)))
        mask = between(builder, zero, numbers, range(lanes.count))
        yield vector_address(context, builder, array, value, start), mask


def _place(context: Any, builder: Any, places: Any, value: Any, j: Any, k: int) -> Any:
    """places[j + k]."""
    return builder.load(number_address(context, builder, places, value, builder.add(j, ir.Constant(j.type, k))))
