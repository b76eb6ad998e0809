"""Kernels that go through many arrays in one call: each call costs Python some microseconds, whatever the size.

Such a kernel is told where arrays lie in memory. For those that it changes, and that are the same objects at every
call, a table is kept; for the gradients, new ones each time, it reads the place from the object itself. The work is cut
into pieces, which depend on sizes alone.

Imports: NumPy, Numba and llvmlite, ``atomic.py``, ``jit.py``, ``lanes.py``, ``threads.py``. Read next: ``optim.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import ctypes
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.np.arrayobj import populate_array

from minigen_kernels import Array
from minigen_kernels.cpu.atomic import now
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.lanes import intrinsic
from minigen_kernels.cpu.threads import PIECE, SLICES, share

INDEX, SIZE, OFFSET, FIRST = range(4)  # the columns of a table: of the gradient, of the piece; then the addresses


class Table(NamedTuple):
    """What is kept of arrays: a row for each piece; an empty array of their dtype; their shapes; what removes it."""

    pieces: Array
    like: Array
    shapes: list[tuple[int, ...]]
    watched: list[Any]


_kept: dict[tuple[int, ...], Table] = {}  # by the identities of the arrays, while all of them live


def table(arrays: Sequence[Sequence[Array]], check: Callable[[], None]) -> Table:
    """The table of lists of arrays that lie in one piece, [[p0, p1, ...], [m0, m1, ...], ...]; the first time checked.

    The arrays at one place of the lists have one shape, and all have one dtype.
    """
    key = tuple([id(a) for some in arrays for a in some])
    found = _kept.get(key)
    if found is None:
        check()
        first = arrays[0]
        rows = [row for i, those in enumerate(zip(*arrays, strict=True)) for row in _pieces(i, those)]
        watched = [weakref.ref(a, lambda _: _kept.pop(key, None)) for some in arrays for a in some]
        pieces = np.array(rows, np.int64).reshape(len(rows), FIRST + len(arrays))
        found = _kept[key] = Table(pieces, np.empty(0, first[0].dtype), [a.shape for a in first], watched)
    return found


def _pieces(i: int, arrays: Sequence[Array]) -> list[tuple[int, ...]]:
    """The rows of arrays of one shape: about as long as the slices of `threads.share_slices`."""
    size, bytes_each = arrays[0].size, arrays[0].itemsize
    piece = max(PIECE, size // (SLICES * 64) * 64)
    return [
        (i, min(piece, size - at), at * bytes_each, *(a.ctypes.data + at * bytes_each for a in arrays))
        for at in range(0, size, piece)
    ]


def places(arrays: Sequence[Array]) -> Array:
    """The addresses of the objects, int64; ``now(address, DATA)`` is that of the numbers."""
    return np.array([id(a) for a in arrays], np.int64)


def _place_of_data() -> int:
    """Which 64-bit number of an array of NumPy is the address of its numbers: the first one after the head."""
    probe = np.empty(1)
    words = (ctypes.c_int64 * 8).from_address(id(probe))
    return list(words).index(probe.ctypes.data)


DATA = _place_of_data()


@intrinsic
def array_at(typing_context: Any, like: Any, address: Any, size: Any) -> Any:
    """``array_at(like, address, size)``: a flat array of numbers of the dtype of `like` that lie there."""
    kind = types.Array(like.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(kind)(context, builder)
        each = context.get_constant(types.intp, like.dtype.bitwidth // 8)
        data = builder.inttoptr(args[1], context.get_data_type(like.dtype).as_pointer())
        populate_array(array, data=data, shape=[args[2]], strides=[each], itemsize=each, meminfo=None)
        return array._getvalue()

    return kind(like, types.int64, types.int64), generate


def njit_many(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """A decorator: f(p, g, further arrays, numbers) becomes a kernel of (like, pieces, places of g, numbers).

    `like` and `pieces` are those of a `Table`. The function gets flat pieces of its arrays, those that are annotated as
    `Array`: p and the further ones have addresses in the table, in this order.
    """

    def decorate(function: Callable[..., None]) -> Any:
        named = inspect.signature(function).parameters.values()
        p, g, *others = [x.name for x in named if x.annotation == "Array"]
        numbers = "".join(f", {x.name}" for x in named if x.annotation != "Array")
        lines = [f"{name} = array_at(like, table[k, {FIRST + i}], size)" for i, name in enumerate((p, *others))]
        code = f"""
def part(first, last, like, table, places{numbers}):
    for k in range(first, last):
        size = table[k, {SIZE}]
        {g} = array_at(like, now(places[table[k, {INDEX}]], {DATA}) + table[k, {OFFSET}], size)
        {"; ".join(lines)}
        body({", ".join((p, g, *others))}{numbers})

def kernel(like, table, places{numbers}):
    share(part_of_it, len(table), 1, (like, table, places{numbers}))
"""
        scope: dict[str, Any] = {"__name__": __name__, "array_at": array_at, "now": now, "share": share}
        exec(code, scope)
        scope["body"] = njit_inner(**options)(function)
        scope["part_of_it"] = njit_inner(**options)(scope["part"])
        kernel = scope["kernel"]
        kernel.__name__, kernel.__qualname__ = function.__name__, function.__qualname__
        kernel.__module__ = function.__module__
        return njit_cached(function, **options)(kernel)

    return decorate
