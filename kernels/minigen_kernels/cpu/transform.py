"""The transforms of minimal filters, of one tile and one register of channels, as code without loops.

A transform of a tile is M X M.T: the matrix M of ``minimal_filters.py`` is applied to the columns of the tile X, then
to its rows. A cell is a register of channels. Where cells are read and written is told by two tables of addresses, so
that zeros outside an image, phases of a stride and results outside the image need no code of their own.

The arguments are (like, results, taps, source, i, target, j): an array of the dtype, two tuples of m and r numbers, and
the tables; cells are read at source[.] and i numbers further, and written at target[.] and j numbers further.

* ``image_tile``: the cells of an image, n x n -> n x n;
* ``kernel_tile``: the taps of a kernel, r x r -> n x n;
* ``gradient_tile``: the gradients of results, m x m -> n x n;
* ``result_tile``: products -> results, n x n -> m x m, and at once bias and activation;
* ``taps_tile``: products -> the gradients of taps, n x n -> r x r.

The compiler knows m and r as the lengths of two tuples. Indices and addresses are not checked.

Imports: Numba and llvmlite, ``lanes.py``, ``minimal_filters.py``. Read next: ``winograd.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from llvmlite import ir
from numba.core import types

from minigen_kernels.cpu.lanes import Lanes, intrinsic, number_address
from minigen_kernels.cpu.minimal_filters import Matrix, MinimalFilter, minimal_filter


@intrinsic
def address_of(typing_context: Any, array: Any, i: Any) -> Any:
    """``address_of(array, i)``: the address of element i of a contiguous array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(number_address(context, builder, array, *args), ir.IntType(64))

    return types.intp(array, types.intp), generate


def _plain(choose: Callable[[MinimalFilter], Matrix]) -> Any:
    """The intrinsic that transforms with the matrix that `choose` takes of F(m, r)."""

    def typing(
        typing_context: Any, like: Any, results: Any, taps: Any, source: Any, i: Any, target: Any, j: Any
    ) -> Any:
        return _transform(choose(minimal_filter(results.count, taps.count)), like, results, taps, source, target)

    return intrinsic(typing)


def _transform(
    matrix: Matrix, like: Any, results: Any, taps: Any, source: Any, target: Any, *ending: Any
) -> tuple[Any, Callable[..., Any]]:
    """The signature and code of a transform with this matrix; `ending`: types of what `_ended` takes."""
    lanes = Lanes(like.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, _, source_value, source_shift, target_value, target_shift, *ending_values = args
        register = context.get_value_type(lanes)
        size = len(matrix[0])

        def cell(table: Any, value: Any, i: int, shift: Any) -> Any:
            index = ir.Constant(shift.type, i)
            start = builder.load(number_address(context, builder, table, value, index))
            number = builder.inttoptr(start, register.element.as_pointer())
            return builder.bitcast(builder.gep(number, [shift]), register.as_pointer())

        columns = []
        for j in range(size):
            column = [
                _unaligned(builder.load(cell(source, source_value, i * size + j, source_shift))) for i in range(size)
            ]
            columns.append(_apply(builder, matrix, column))
        for i, row in enumerate(zip(*columns)):
            for j, value in enumerate(_apply(builder, matrix, list(row))):
                if ending:
                    value = _ended(builder, value, *ending_values)
                place = cell(target, target_value, i * len(matrix) + j, target_shift)
                _unaligned(builder.store(value, place), register)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(like, results, taps, source, intp, target, intp, *ending), generate


image_tile = _plain(lambda f: f.image)
kernel_tile = _plain(lambda f: f.kernel)
gradient_tile = _plain(lambda f: f.result)
taps_tile = _plain(lambda f: _transposed(f.kernel))


@intrinsic
def result_tile(
    typing_context: Any,
    like: Any,
    results: Any,
    taps: Any,
    source: Any,
    i: Any,
    target: Any,
    j: Any,
    bias: Any,
    slope: Any,
    keep: Any,
) -> Any:
    """``result_tile(like, results, taps, source, i, target, j, bias, slope, keep)``: products to results.

    z = result + bias; then z, or where z < 0 slope * z, or 0 if `keep` is false.
    """
    matrix = _transposed(minimal_filter(results.count, taps.count).result)
    return _transform(matrix, like, results, taps, source, target, bias, slope, keep)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix))


def _ended(builder: Any, value: Any, bias: Any, slope: Any, keep: Any) -> Any:
    """Add the bias and apply the activation."""
    zero = ir.Constant(value.type, None)
    z = builder.fadd(value, bias)
    below = builder.select(keep, builder.fmul(z, slope), zero)
    return builder.select(builder.fcmp_ordered("<", z, zero), below, z)


def _apply(builder: Any, matrix: Matrix, cells: list[Any]) -> list[Any]:
    """The matrix times the column of cells.

    Where two columns, or two rows, differ only in signs, the sum and the difference of both take half the work.
    """
    for a, b in _pairs(_transposed(matrix)):
        total, rest = builder.fadd(cells[a], cells[b]), builder.fsub(cells[a], cells[b])
        cells = [total if i == a else rest if i == b else cell for i, cell in enumerate(cells)]
        matrix = tuple(_of_sum_and_rest(row, a, b) for row in matrix)
    found: list[Any] = [None] * len(matrix)
    for i, j in _pairs(matrix):
        same = [(c, cell) for c, d, cell in zip(matrix[i], matrix[j], cells) if c == d and c]
        other = [(c, cell) for c, d, cell in zip(matrix[i], matrix[j], cells) if c != d]
        scale = other[-1][0]
        even = _combined(builder, same)
        odd = _combined(builder, [(c / scale, cell) for c, cell in other])
        found[i], found[j] = (_fused(builder, sign * scale, odd, even) for sign in (1, -1))
    for i, row in enumerate(matrix):
        if found[i] is None:
            found[i] = _combined(builder, [(c, cell) for c, cell in zip(row, cells) if c])
    return found


def _of_sum_and_rest(row: tuple[Fraction, ...], a: int, b: int) -> tuple[Fraction, ...]:
    """The row for a column whose cells a and b became their sum and their difference."""
    unused = b if row[a] == row[b] else a
    used = a + b - unused
    return tuple(Fraction(0) if i == unused else row[a] if i == used else c for i, c in enumerate(row))


def _pairs(rows: Matrix) -> list[tuple[int, int]]:
    """Rows with the same magnitudes, some of them with the same and some with other signs."""
    return [
        (i, j)
        for i, a in enumerate(rows)
        for j, b in enumerate(rows[:i])
        if all(abs(c) == abs(d) for c, d in zip(a, b))
        and any(c == d != 0 for c, d in zip(a, b))
        and any(c != d for c, d in zip(a, b))
    ]


def _combined(builder: Any, terms: list[tuple[Fraction, Any]]) -> Any:
    """The sum of factor * cell; one with factor 1 goes first, because it needs no multiplication."""
    (factor, total), *rest = sorted(terms, key=lambda term: term[0] != 1)
    if factor != 1:
        total = builder.fmul(total, _constant(total.type, factor))
    for factor, cell in rest:
        total = _fused(builder, factor, cell, total)
    return total


def _fused(builder: Any, factor: Fraction, cell: Any, total: Any) -> Any:
    """factor * cell + total, rounded once where the machine can."""
    if abs(factor) == 1:
        return (builder.fadd if factor > 0 else builder.fsub)(total, cell)
    product = builder.fmul(cell, _constant(cell.type, factor), flags=("contract",))
    return builder.fadd(product, total, flags=("contract",))


def _constant(register: Any, number: Fraction) -> Any:
    return ir.Constant(register, [float(number)] * register.count)


def _unaligned(instruction: Any, register: Any = None) -> Any:
    """A load or store at an address that is a multiple of a number's size only."""
    element = (register or instruction.type).element
    instruction.align = 4 if element == ir.FloatType() else 8
    return instruction
