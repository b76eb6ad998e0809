"""The plan of a kernel: what a launch of it needs, worked out once, and the checks of its arguments.

A step of training makes a hundred launches, and most of them are like those of the step before. So a plan takes a
glance at the arguments first: are the arrays of the right kind, were the same whole numbers cast before? What is not
found in order at a glance is looked at argument by argument, by the functions that say what is wrong.

Imports: NumPy, ``backend.py``, ``source.py``. Read next: ``launch.py``.
"""

from __future__ import annotations

import itertools
import numbers
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.backend import Backend, Dim3
from minigen_kernels.cuda.source import C_TYPES, CHUNKS, REALS, TABLES, Kernel, Parameter, constants, program

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

#: So many grids, and so many lists of whole numbers, a plan keeps.
KEPT = 256


class Plan:
    """What a launch of one kernel needs. `pointers`, `whole` and the like: the places of parameters of that kind."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.grids: dict[Any, tuple[Dim3, Dim3]] = {}  # those checked before, by grid and block as they were given
        self.cast: dict[Any, list[np.generic]] = {}  # the whole numbers cast before, by values and types
        self.pointers: list[int] = []
        self.nullable: list[int] = []
        self.tables: list[int] = []
        self.chunks: list[int] = []
        self.whole: list[int] = []
        self.fractions: list[tuple[int, Any]] = []  # with their types; None is that of the launch
        for at, parameter in enumerate(kernel.parameters):
            kind = C_TYPES.get(parameter.type)
            if parameter.pointer:
                (self.nullable if parameter.nullable else self.pointers).append(at)
            elif parameter.type in TABLES:
                self.tables.append(at)
            elif parameter.type == CHUNKS:
                self.chunks.append(at)
            elif kind in RANGES:
                self.whole.append(at)
            else:
                self.fractions.append((at, kind))
        first = [at for at, p in enumerate(kernel.parameters) if (p.type == "real" and p.pointer) or p.type == "Arrays"]
        self.real = first[0] if first else None  # where the dtype of the launch comes from
        self.programs = {real: program(kernel.file, real) for real in REALS}
        self.dtypes = {real: [self.dtype_of(kernel.parameters[at], real) for at in self.pointers] for real in REALS}

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

    def dtype(self, arguments: Sequence[Any]) -> np.dtype[Any]:
        """What `real` is: the dtype of the first `real` array; float32 for a kernel that has none."""
        if self.real is None:
            return np.dtype(np.float32)
        parameter, value = self.kernel.parameters[self.real], arguments[self.real]
        if not parameter.pointer and isinstance(value, list | tuple) and len(value):
            value = value[0]
        dtype = getattr(value, "dtype", None)
        if dtype not in REALS:
            raise TypeError(f"{_where(self.kernel, parameter)} takes a float32 or float64 array, got {_what(value)}")
        return np.dtype(dtype)

    def at_a_glance(self, arguments: tuple[Any, ...], real: np.dtype[Any], backend: Backend) -> list[Any] | None:
        """The arguments as the kernel takes them, or None if they need a closer look."""
        arrays = [arguments[at] for at in self.pointers]
        if not backend.owns(*arrays):
            return None
        for array, dtype in zip(arrays, self.dtypes[real]):
            if array.dtype is not dtype or not array.flags.c_contiguous:
                return None
        cast = list(arguments)
        if self.whole:
            values = [arguments[at] for at in self.whole]
            key = (*values, *map(type, values))
            try:
                found = self.cast.get(key)
            except TypeError:  # what has no hash is no number
                return None
            if found is None:
                found = [
                    _scalar(self.kernel, self.kernel.parameters[at], arguments[at], real.type) for at in self.whole
                ]
                _keep(self.cast, key, found)
            for at, number in zip(self.whole, found):
                cast[at] = number
        for at, kind in self.fractions:
            value = arguments[at]
            if type(value) is not float:
                value = _scalar(self.kernel, self.kernel.parameters[at], value, real.type)
            cast[at] = (kind or real.type)(value)
        for at in self.tables:
            cast[at] = _table(self.kernel, self.kernel.parameters[at], arguments[at], real, backend)
        for at in self.nullable:
            if arguments[at] is not None:
                return None
        for at in self.chunks:
            if getattr(arguments[at], "dtype", None) is not _CHUNKS_DTYPE:
                return None
        return cast

    def one_by_one(self, arguments: Sequence[Any], real: np.dtype[Any], backend: Backend) -> list[Any]:
        """The arguments as the kernel takes them; TypeError or ValueError for the first that does not fit."""
        return [_checked(self.kernel, p, value, real, backend) for p, value in zip(self.kernel.parameters, arguments)]


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
    if parameter.type == CHUNKS:
        if getattr(value, "dtype", None) != _CHUNKS_DTYPE:
            raise TypeError(f"{_where(kernel, parameter)} takes what chunks_of() returns, got {_what(value)}")
        return value
    if parameter.type in TABLES:
        return _table(kernel, parameter, value, real, backend)
    if not parameter.pointer:
        return _scalar(kernel, parameter, value, real.type)
    return None if value is None and parameter.nullable else _array(kernel, parameter, value, real, backend)


def _array(kernel: Kernel, parameter: Parameter, value: Any, real: np.dtype[Any], backend: Backend) -> Any:
    if not backend.owns(value):
        raise TypeError(f"{_where(kernel, parameter)} takes an array on the current device, got {_what(value)}")
    wanted = Plan.dtype_of(parameter, real)
    if value.dtype != wanted:
        raise TypeError(f"{_where(kernel, parameter)} takes {wanted} here, got {_what(value)}")
    if not value.flags.c_contiguous:
        raise ValueError(f"{_where(kernel, parameter)} takes a C-contiguous array: pass it through contiguous()")
    return value


def _table(kernel: Kernel, parameter: Parameter, arrays: Any, real: np.dtype[Any], backend: Backend) -> Array:
    """The addresses of a list of arrays, as one value."""
    if not isinstance(arrays, list | tuple) or len(arrays) > MOST_ARRAYS:
        got = f"{len(arrays)} of them" if isinstance(arrays, list | tuple) else _what(arrays)
        raise TypeError(f"{_where(kernel, parameter)} takes a list of at most {MOST_ARRAYS} arrays, got {got}")
    wanted = Plan.dtype_of(parameter, real)
    in_order = backend.owns(*arrays)
    for array in arrays:
        if not in_order or array.dtype is not wanted or not array.flags.c_contiguous:
            _array(kernel, parameter, array, real, backend)
    addresses = [backend.address(array) for array in arrays]
    return np.frombuffer(_ADDRESSES.pack(*addresses, *[0] * (MOST_ARRAYS - len(arrays))), _TABLE_DTYPE)


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
