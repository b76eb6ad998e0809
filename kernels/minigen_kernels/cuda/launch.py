"""The typed launcher: `launch` checks and casts every argument by the kernel's own declaration, then runs it.

A kernel that is handed a wrong type does not fail, it computes nonsense: a Python float arrives as a double, a size
beyond 2**31 wraps. So nothing reaches a kernel here that its `.cu` file does not declare. Memory comes from `empty`
and `contiguous`, which ask the same backend (``backend.py``) that the kernels run on.

    y = empty(x.shape, x.dtype)
    launch("elementwise.cu", "erf_kernel", blocks_for(x.size), THREADS, contiguous(x), y, x.size)

Imports: NumPy, ``backend.py``, ``source.py``. Read next: ``elementwise.py`` beside ``elementwise.cu``.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.backend import Backend, CupyBackend, Dim3
from minigen_kernels.cuda.source import C_TYPES, REALS, Kernel, Parameter, kernels, program

#: Threads of a block where the kernel does not ask for another number.
THREADS = 256
#: Blocks of a grid-stride loop: enough to fill any device, few enough that each block has work. A constant, since a
#: number that depends on the device would let results depend on it.
MOST_BLOCKS = 4096

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

_device = CupyBackend()
_instead: ContextVar[Backend] = ContextVar("instead")


@contextmanager
def using(backend: Backend) -> Iterator[None]:
    """Run kernels and take memory elsewhere than on the CUDA device, inside of a `with` block."""
    token = _instead.set(backend)
    try:
        yield
    finally:
        _instead.reset(token)


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new C-contiguous array of any content where the kernels run."""
    return _instead.get(_device).empty(shape, dtype)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new C-contiguous array of zeros where the kernels run."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def contiguous(x: Array) -> Array:
    """`x` itself if it is C-contiguous, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    copy = empty(x.shape, x.dtype)
    copy[...] = x
    return copy


def blocks_for(n: int, threads: int = THREADS) -> int:
    """Blocks for a grid-stride loop over n items: one item a thread, up to `MOST_BLOCKS` blocks, at least one."""
    return max(1, min(-(-n // threads), MOST_BLOCKS))


def launch(file: str, kernel: str, grid: int | tuple[int, ...], block: int | tuple[int, ...], *arguments: Any) -> None:
    """Run `kernel` of a `.cu` file in this folder on `grid` blocks of `block` threads (x, or x and y, or x, y and z).

    `arguments` are the kernel's parameters in order. For a pointer: an array on the device, C-contiguous, of the
    declared dtype; all `real` pointers have one dtype, which is that of the launch. For a scalar: a Python or NumPy
    number, cast to the declared type; a whole number must fit, a bool may stand for 0 or 1.

    Raises TypeError or ValueError that names file, kernel and parameter when an argument does not fit its
    declaration or the grid exceeds the hardware's or the kernel's bounds, RuntimeError when the file does not compile.
    """
    backend = _instead.get(_device)
    declared = kernels(file).get(kernel)
    if declared is None:
        raise ValueError(f"{file}: there is no kernel {kernel!r}; the file has {', '.join(kernels(file))}")
    if len(arguments) != len(declared.parameters):
        names = ", ".join(parameter.name for parameter in declared.parameters)
        raise TypeError(
            f"{file}: kernel {kernel} takes {len(declared.parameters)} arguments ({names}), got {len(arguments)}"
        )
    grid3, block3 = _shape_of_launch(declared, grid, block)
    dtype = _dtype_of_launch(declared, arguments)
    real = dtype.type
    cast = [
        _array(declared, parameter, value, real, backend)
        if parameter.pointer
        else _scalar(declared, parameter, value, real)
        for parameter, value in zip(declared.parameters, arguments)
    ]
    backend.run(program(file, dtype), kernel, grid3, block3, cast)


def _shape_of_launch(kernel: Kernel, grid: int | tuple[int, ...], block: int | tuple[int, ...]) -> tuple[Dim3, Dim3]:
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


def _dtype_of_launch(kernel: Kernel, arguments: tuple[Any, ...]) -> np.dtype[Any]:
    """What `real` is: the dtype of the first `real` pointer; float32 for a kernel that has none."""
    for parameter, value in zip(kernel.parameters, arguments):
        if parameter.type == "real" and parameter.pointer:
            dtype = getattr(value, "dtype", None)
            if dtype not in REALS:
                raise TypeError(f"{_where(kernel, parameter)} takes a float32 or float64 array, got {_what(value)}")
            return np.dtype(dtype)
    return np.dtype(np.float32)


def _array(kernel: Kernel, parameter: Parameter, value: Any, real: type[np.generic], backend: Backend) -> Any:
    if not backend.owns(value):
        raise TypeError(f"{_where(kernel, parameter)} takes an array on the current device, got {_what(value)}")
    wanted = real if parameter.type == "real" else C_TYPES[parameter.type]
    if value.dtype != wanted:
        raise TypeError(f"{_where(kernel, parameter)} takes {np.dtype(wanted)} here, got {_what(value)}")
    if not value.flags.c_contiguous:
        raise ValueError(f"{_where(kernel, parameter)} takes a C-contiguous array: pass it through contiguous()")
    return value


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
