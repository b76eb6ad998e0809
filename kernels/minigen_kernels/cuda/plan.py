"""The plan of a kernel: what a launch of it needs, worked out once, and the checks of its arguments.

A step of training makes a hundred launches, and most of them are like those of the step before. So a plan takes a
glance at the arguments first: are the arrays of the right kind, were the same whole numbers cast before? What is not
found in order at a glance is looked at argument by argument, by the functions that say what is wrong.

Imports: NumPy, ``backend.py``, ``source.py``. Read next: ``launch.py``.
"""

from __future__ import annotations

import itertools
import numbers
import operator
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.backend import Backend, Dim3
from minigen_kernels.cuda.source import C_TYPES, CHUNKS, REALS, TABLES, Kernel, Parameter, Program, constants, program

#: The hardware's limits, the same for every architecture since 3.0.
MOST_THREADS = 1024
BLOCK_LIMITS = (1024, 1024, 64)
GRID_LIMITS = (2**31 - 1, 65535, 65535)

#: The smallest and the largest number of each whole type. A table: a convolution has twenty such arguments.
RANGES: dict[type[np.generic], tuple[int, int]] = {
    np.bool_: (0, 1),
    np.int32: (-(2**31), 2**31 - 1),
    np.uint32: (0, 2**32 - 1),
    np.int64: (-(2**63), 2**63 - 1),
    np.uint64: (0, 2**64 - 1),
}

#: What one launch over many arrays takes (``together.cuh``), and the elements of a chunk.
MOST_ARRAYS, CHUNK = (constants("together.cuh")[name] for name in ("MOST_ARRAYS", "CHUNK"))
_ADDRESSES = struct.Struct(f"{MOST_ARRAYS}Q")
_CHUNKS = struct.Struct(f"{MOST_ARRAYS}q{MOST_ARRAYS + 1}ii")
_TABLE_DTYPE, _CHUNKS_DTYPE = (np.dtype(f"V{layout.size}") for layout in (_ADDRESSES, _CHUNKS))

_FLOAT32 = np.dtype(np.float32)
_ONLY_INT, _ONLY_FLOAT = {int}, {float}

#: So many grids, and so many lists of whole numbers, a plan keeps; and so many tables are kept of all plans.
KEPT = 256
_tables: dict[tuple[int, ...], Array] = {}  # by the addresses in them


class Plan:
    """What a launch of one kernel needs. `pointers`, `whole` and the like: the places of parameters of that kind."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.grids: dict[Any, tuple[Dim3, Dim3]] = {}  # those checked before, by grid and block as they were given
        #: By the whole numbers as they were given: a list of arguments in which they stand cast, and nothing else yet.
        self.cast: dict[Any, list[Any]] = {}
        pointers: list[int] = []
        whole: list[int] = []
        reals: list[int] = []
        self.tables: list[int] = []
        self.others: list[int] = []  # what is rare: chunks, pointers that may be null, a float or double
        for at, parameter in enumerate(kernel.parameters):
            kind = C_TYPES.get(parameter.type)
            if parameter.type in TABLES:
                self.tables.append(at)
            elif parameter.pointer:
                (self.others if parameter.nullable else pointers).append(at)
            elif kind in RANGES:
                whole.append(at)
            elif parameter.type == "real" and not parameter.pointer:
                reals.append(at)
            else:
                self.others.append(at)
        self.pointers, self.whole, self.reals = _Places(pointers), _Places(whole), _Places(reals)
        first = [at for at, p in enumerate(kernel.parameters) if (p.type == "real" and p.pointer) or p.type == "Arrays"]
        self.real = first[0] if first else None  # where the dtype of the launch comes from
        #: For each dtype of a launch: it, the program, the dtypes of pointers and of tables.
        self.kinds: dict[Any, tuple[np.dtype[Any], Program, list[np.dtype[Any]], list[np.dtype[Any]]]] = {}
        for real in REALS:
            of_pointers = [self.dtype_of(kernel.parameters[at], real) for at in pointers]
            of_tables = [self.dtype_of(kernel.parameters[at], real) for at in self.tables]
            self.kinds[real] = real, program(kernel.file, real), of_pointers, of_tables

    @staticmethod
    def dtype_of(parameter: Parameter, real: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype of a pointer or of the arrays of a table, in a launch where `real` is that dtype."""
        kind = TABLES.get(parameter.type, parameter.type)
        return real if kind == "real" else np.dtype(C_TYPES[kind])

    def grid(self, grid: int | tuple[int, ...], block: int | tuple[int, ...]) -> tuple[Dim3, Dim3]:
        """Grid and block in three dimensions. ValueError if they exceed the hardware's or the kernel's bounds."""
        found = self.grids.get((grid, block))
        if found is None:
            found = _three_dimensions(self.kernel, grid, block)
            _keep(self.grids, (grid, block), found)
        return found

    def arguments(self, given: tuple[Any, ...], backend: Backend) -> tuple[Program, list[Any]]:
        """The program and its arguments as the kernel takes them; TypeError or ValueError for one that does not fit."""
        return self._at_a_glance(given, backend) or self._one_by_one(given, backend)

    def _at_a_glance(self, given: tuple[Any, ...], backend: Backend) -> tuple[Program, list[Any]] | None:
        """The same, or None if something needs a closer look."""
        if len(given) != len(self.kernel.parameters):
            return None
        found = self.kinds.get(self._dtype(given))
        if found is None:
            return None
        real, text, dtypes, of_tables = found
        arrays = self.pointers.of(given)
        for at, dtype in zip(self.tables, of_tables):
            table = given[at]
            if type(table) is not list or not 0 < len(table) <= MOST_ARRAYS:
                return None
            arrays, dtypes = (*arrays, *table), [*dtypes, *[dtype] * len(table)]
        if not backend.owns(*arrays):
            return None
        for array, dtype in zip(arrays, dtypes):
            if array.dtype is not dtype or not array.flags.c_contiguous:
                return None
        numbers = self.whole.of(given)
        if numbers and {*map(type, numbers)} != _ONLY_INT:  # equal numbers have one hash, but 1.0 is no whole number
            return None
        known = self.cast.get(numbers)
        if known is None:
            known = [None] * len(given)
            for at in self.whole.places:
                known[at] = _scalar(self.kernel, self.kernel.parameters[at], given[at], real.type)
            _keep(self.cast, numbers, known)
        cast = known.copy()
        self.pointers.put(cast, self.pointers.of(given))
        for at in self.tables:
            cast[at] = _table(given[at], backend)
        if len(self.reals.places) > 3:  # an array costs as much as three of NumPy's numbers, whatever its length
            fractions = self.reals.of(given)
            if {*map(type, fractions)} != _ONLY_FLOAT:
                return None
            self.reals.put(cast, list(np.array(fractions, real)))
        else:
            for at in self.reals.places:
                if type(given[at]) is not float:
                    return None
                cast[at] = real.type(given[at])
        for at in self.others:
            if given[at] is not None or not self.kernel.parameters[at].nullable:
                cast[at] = _checked(self.kernel, self.kernel.parameters[at], given[at], real, backend)
        return text, cast

    def _dtype(self, given: tuple[Any, ...]) -> Any:
        """What `real` is: the dtype of the first `real` array, whatever that is; float32 for a kernel without any."""
        if self.real is None:
            return _FLOAT32
        first = given[self.real]
        if self.tables and type(first) is list and first:
            first = first[0]
        return getattr(first, "dtype", None)

    def _one_by_one(self, given: tuple[Any, ...], backend: Backend) -> tuple[Program, list[Any]]:
        kernel, parameters = self.kernel, self.kernel.parameters
        if len(given) != len(parameters):
            names = ", ".join(parameter.name for parameter in parameters)
            raise TypeError(
                f"{kernel.file}: kernel {kernel.name} takes {len(parameters)} arguments ({names}), got {len(given)}"
            )
        dtype = self._dtype(given)
        if self.real is not None and dtype not in self.kinds:
            where, value = _where(kernel, parameters[self.real]), given[self.real]
            if parameters[self.real].type in TABLES and isinstance(value, list) and value:
                value = value[0]
            raise TypeError(f"{where} takes a float32 or float64 array, got {_what(value)}")
        real, text, *_ = self.kinds[dtype]
        return text, [_checked(kernel, p, value, real, backend) for p, value in zip(parameters, given)]


class _Places:
    """Some of the arguments of a kernel."""

    def __init__(self, places: list[int]) -> None:
        self.places = places
        #: Where they stand, if they follow each other: then they are taken and put back in one piece.
        self.run = slice(places[0], places[-1] + 1) if places and places[-1] - places[0] < len(places) else None
        self.pick = operator.itemgetter(*places) if len(places) > 1 else None

    def of(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.run:
            return arguments[self.run]
        return self.pick(arguments) if self.pick else ()

    def put(self, arguments: list[Any], values: Sequence[Any]) -> None:
        if self.run:
            arguments[self.run] = values
        else:
            for at, value in zip(self.places, values):
                arguments[at] = value


def chunks_of(sizes: Sequence[int]) -> tuple[int, Array]:
    """Of arrays of these sizes, at most `MOST_ARRAYS`: the number of chunks, and what a kernel gets as `Chunks`."""
    first = [0, *itertools.accumulate(-(-size // CHUNK) for size in sizes)]
    rest = [0] * (MOST_ARRAYS - len(sizes))
    return first[-1], np.frombuffer(_CHUNKS.pack(*sizes, *rest, *first, *rest, len(sizes)), _CHUNKS_DTYPE)


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= KEPT:
        known.clear()
    known[key] = value


def _three_dimensions(kernel: Kernel, grid: int | tuple[int, ...], block: int | tuple[int, ...]) -> tuple[Dim3, Dim3]:
    grid3, block3 = _dim3(grid), _dim3(block)
    for name, sizes, limits in (("grid", grid3, GRID_LIMITS), ("block", block3, BLOCK_LIMITS)):
        if any(not 1 <= size <= limit for size, limit in zip(sizes, limits)):
            raise ValueError(f"{kernel.file}: kernel {kernel.name}: {name} {sizes} is outside of 1 to {limits}")
    threads = block3[0] * block3[1] * block3[2]
    most = min(MOST_THREADS, kernel.max_threads)
    if threads > most:
        raise ValueError(f"{kernel.file}: kernel {kernel.name}: a block has at most {most} threads, got {threads}")
    return grid3, block3


def _dim3(size: int | tuple[int, ...]) -> Dim3:
    x, y, z = (*(size if isinstance(size, tuple) else (size,)), 1, 1)[:3]
    return x, y, z


def _checked(kernel: Kernel, parameter: Parameter, value: Any, real: np.dtype[Any], backend: Backend) -> Any:
    if value is None and parameter.nullable:
        return None
    if parameter.type == CHUNKS:
        if getattr(value, "dtype", None) != _CHUNKS_DTYPE:
            raise TypeError(f"{_where(kernel, parameter)} takes what chunks_of() returns, got {_what(value)}")
        return value
    if parameter.type in TABLES:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_ARRAYS:
            got = f"{len(value)} of them" if isinstance(value, list) else _what(value)
            raise TypeError(f"{_where(kernel, parameter)} takes a list of 1 to {MOST_ARRAYS} arrays, got {got}")
        return _table([_array(kernel, parameter, array, real, backend) for array in value], backend)
    if not parameter.pointer:
        return _scalar(kernel, parameter, value, real.type)
    return _array(kernel, parameter, value, real, backend)


def _array(kernel: Kernel, parameter: Parameter, value: Any, real: np.dtype[Any], backend: Backend) -> Any:
    if not backend.owns(value):
        raise TypeError(f"{_where(kernel, parameter)} takes an array on the current device, got {_what(value)}")
    wanted = Plan.dtype_of(parameter, real)
    if value.dtype != wanted:
        raise TypeError(f"{_where(kernel, parameter)} takes {wanted} here, got {_what(value)}")
    if not value.flags.c_contiguous:
        raise ValueError(f"{_where(kernel, parameter)} takes a C-contiguous array: pass it through contiguous()")
    return value


def _table(arrays: list[Array], backend: Backend) -> Array:
    """The addresses of arrays, as one value. The same addresses come again and again."""
    addresses = tuple(backend.addresses(arrays))
    found = _tables.get(addresses)
    if found is None:
        found = np.frombuffer(_ADDRESSES.pack(*addresses, *[0] * (MOST_ARRAYS - len(arrays))), _TABLE_DTYPE)
        _keep(_tables, addresses, found)
    return found


def _scalar(kernel: Kernel, parameter: Parameter, value: Any, real: type[np.generic]) -> np.generic:
    wanted = real if parameter.type == "real" else C_TYPES[parameter.type]
    if wanted not in RANGES:
        if not isinstance(value, (int, float, numbers.Real, np.bool_)):
            raise TypeError(f"{_where(kernel, parameter)} takes a number, got {_what(value)}")
        return wanted(value)
    if not isinstance(value, (int, numbers.Integral, np.bool_)):
        raise TypeError(f"{_where(kernel, parameter)} takes a whole number, got {_what(value)}")
    low, high = RANGES[wanted]
    if not low <= int(value) <= high:
        raise ValueError(f"{_where(kernel, parameter)} takes {low} to {high}, got {value}")
    return wanted(value)


def _where(kernel: Kernel, parameter: Parameter) -> str:
    star = "*" if parameter.pointer else ""
    return f"{kernel.file}: kernel {kernel.name}: parameter `{parameter.type}{star} {parameter.name}`"


def _what(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        module = type(value).__module__.partition(".")[0]
        return f"a {module} array of dtype {value.dtype} and shape {value.shape}"
    return f"{type(value).__name__} {value!r}"
