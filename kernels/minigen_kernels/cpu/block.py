"""A block of a matrix product for any number of rows and columns.

``tile.py`` builds code for a block whose size is known when it is compiled. The last rows and columns of a matrix make
smaller blocks, and their sizes are known only at run time: so there are some functions, and a call takes the smallest
one that is large enough.

Imports: Numba and llvmlite, ``lanes.py``, ``tile.py``. Read next: ``product.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from minigen_kernels.cpu.lanes import Lanes, intrinsic, number_address
from minigen_kernels.cpu.tile import REGISTERS, ROWS, prefetched, products, written

#: Numbers of rows that `multiply_rows` has code for; others take the next larger one.
ROW_COUNTS = (2, 4, 6, 7, 8) if ROWS == 8 else (2, 4, 5, 6)


@intrinsic
def multiply_rows(
    typing_context: Any,
    count: Any,
    a: Any,
    from_a: Any,
    b: Any,
    from_b: Any,
    length: Any,
    c: Any,
    to_c: Any,
    width: Any,
    begin: Any,
) -> Any:
    """``multiply_rows(count, a, (first, row, step), b, (at, pitch), length, c, (place, line), width, begin)``: a block.

    c[place + r * line + j] = (0 if begin, else itself) + the sum over k < length of
    a[first + r * row + k * step] * b[at + k * pitch + j], for r < count and j < width, where 1 <= count <= ROWS and
    1 <= width <= REGISTERS * lanes. Of b, whole registers are read.
    """
    lanes = Lanes(a.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count, a_value, from_a_value, b_value, from_b_value, length, c_value, to_c_value, width, begin = args
        first, a_row, a_step = cgutils.unpack_tuple(builder, from_a_value)
        at, b_step = cgutils.unpack_tuple(builder, from_b_value)
        place, c_row = cgutils.unpack_tuple(builder, to_c_value)
        a_at = number_address(context, builder, a, a_value, first)
        b_at = number_address(context, builder, b, b_value, at)
        c_at = number_address(context, builder, c, c_value, place)
        few = builder.icmp_signed("<=", width, ir.Constant(width.type, lanes.count))
        case = builder.select(few, ir.Constant(count.type, 0), count)
        end = builder.append_basic_block("end")
        switch = builder.switch(case, end)
        for k in range(ROWS + 1):
            block = builder.append_basic_block("block")
            switch.add_case(ir.Constant(count.type, k), block)
            builder.position_at_end(block)
            R = next(R for R in ROW_COUNTS if R >= k) if k else ROWS
            function = _block_function(context, builder.module, lanes, R, REGISTERS if k else 1)
            builder.call(function, [count, a_at, a_row, a_step, b_at, b_step, length, c_at, c_row, width, begin])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    intp, two = types.intp, types.UniTuple(types.intp, 2)
    return types.void(intp, a, types.UniTuple(intp, 3), b, two, intp, c, two, intp, types.boolean), generate


def _block_function(context: Any, module: Any, lanes: Lanes, R: int, V: int) -> Any:
    """The function for a block of R rows and V registers, for `multiply_rows`.

    A function of its own: the compiler then has all registers for its loop, whatever is around the call.
    """
    name = f"block_of_{lanes.dtype}_{R}x{V}"
    if name in module.globals:
        return module.globals[name]
    number, word = context.get_value_type(lanes.dtype).as_pointer(), ir.IntType(64)
    numbers = [word, number, word, word, number, word, word, number, word, word, ir.IntType(1)]
    kind = ir.FunctionType(ir.VoidType(), numbers)
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    count, a_at, a_row, a_step, b_at, b_step, length, c_at, c_row, width, begin = function.args
    rows, targets = _apart(builder, a_at, a_row, R, count), _apart(builder, c_at, c_row, R, count)
    for target in targets:
        prefetched(builder, target)
        prefetched(builder, builder.gep(target, [builder.sub(width, ir.Constant(word, 1))]))
    empty = [ir.Constant(context.get_value_type(lanes), None)] * (R * V)
    zero, one = ir.Constant(word, 0), ir.Constant(word, 1)
    totals = products(builder, empty, rows, b_at, [one, length], [zero, zero], [a_step, b_step])
    written(builder, lanes, targets, totals, count, width, begin, V - 1)
    builder.ret_void()
    return function


def _apart(builder: Any, first: Any, distance: Any, R: int, count: Any) -> list[Any]:
    """The addresses first + r * distance, r < R; the last one again where r >= count."""
    found = [first]
    for r in range(1, R):
        there = builder.icmp_signed(">", count, ir.Constant(count.type, r))
        found.append(builder.gep(found[-1], [builder.select(there, distance, ir.Constant(distance.type, 0))]))
    return found
