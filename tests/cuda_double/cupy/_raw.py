"""`RawModule` of the double: the program text, compiled for the host with minigen's shim, runs on the double's memory.

CuPy checks neither number nor types of the arguments; here both must be those of the kernel's declaration. float32
programs run with subnormal numbers flushed to zero, as CuPy's option -ftz=true makes them on a device.
"""

from __future__ import annotations

import ctypes
import functools
import math
import operator
import os
import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from . import _launch
from ._build import BuildError, shared_library
from ._core import PYTHON_SCALARS, Base
from ._errors import CUDADriverError
from .cuda import memory
from .cuda.compiler import CompileException
from .cuda.runtime import MAX_BLOCK, MAX_GRID

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_CONSTANT = re.compile(r"\bconstexpr\s+int\s+(\w+)\s*=\s*(\d+)\s*;")
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(\s*(\w+)\s*(?:,\s*\w+\s*)?\)\s*)?(\w+)\s*\(([^()]*)\)'
)
_TYPES = {
    "bool": np.bool_, "int": np.int32, "unsigned int": np.uint32, "long long": np.int64,
    "unsigned long long": np.uint64, "float": np.float32, "double": np.float64,
}  # fmt: skip
#: Structures that kernels take by value (together.cuh, beside the programs): addresses of arrays, and their sizes.
_TABLES = ("Arrays", "Doubles")
_STRUCTURES = (*_TABLES, "Chunks")
FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
#: What NVRTC takes and a kernel here could need; anything else is refused, to be looked up.
OPTIONS = re.compile(
    r"-D\w+(=\S*)?|-?-std=c\+\+\d\d|-?-fmad=(true|false)|-?-ftz=(true|false)|-I\S+|-lineinfo|-use_fast_math"
)

#: 0: threads and blocks from first to last, 1: from last to first.
order = int(os.environ.get("CUPY_DOUBLE_ORDER", "0"))
SHIM = Path(__file__).parents[3] / "kernels" / "minigen_kernels" / "host" / "cuda_host_shim.h"


FLUSHING = """
#include <xmmintrin.h>
#include <pmmintrin.h>
extern "C" unsigned int host_flush(unsigned int on) {
  const unsigned int before = _mm_getcsr();
  _mm_setcsr(on ? before | 0x8040 : before & ~0x8040u);
  return before;
}
"""


class RawModule:
    def __init__(self, *, code: str | None = None, path: str | None = None, options: tuple[str, ...] = (),
                 backend: str = "nvrtc", translate_cucomplex: bool = False, enable_cooperative_groups: bool = False,
                 name_expressions: Any = None, jitify: Any = None) -> None:  # fmt: skip
        if (code is None) == (path is None):
            raise TypeError("Exactly one of `code` and `path` keyword arguments must be given.")
        if not isinstance(options, tuple):
            raise TypeError(f"Argument 'options' has incorrect type (expected tuple, got {type(options).__name__})")
        if code is None or name_expressions is not None or backend != "nvrtc":
            raise NotImplementedError("double: RawModule(path=, name_expressions=, backend=)")
        if not isinstance(code, str):
            raise TypeError("Argument 'code' has incorrect type (expected str)")
        self.code, self.options = code, options

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.code, name, self.options)


class RawKernel:
    """A kernel of a program: `kernel(grid, block, args)` launches it on the current stream."""

    def __init__(self, code: str, name: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **_: Any) -> None:
        self.name = self.__name__ = name
        library, kernels = _build(code, options)
        if name not in kernels:
            raise CUDADriverError(500)
        self.max_threads_per_block, self._parameters = kernels[name]
        self._library, self._flush = library, "-DREAL=double" not in options
        self._function = library[f"host_{name}"]
        self._function.restype = ctypes.c_char_p

    def __call__(self, grid: Any, block: Any, args: Any, shared_mem: int = 0, stream: Any = None) -> None:
        grid3 = _dimensions("grid", grid, MAX_GRID)
        block3 = _dimensions("block", block, MAX_BLOCK)
        if math.prod(block3) > self.max_threads_per_block:
            raise CUDADriverError(1)
        if shared_mem:
            raise NotImplementedError("double: shared memory of a size given at the launch")
        if len(args) != len(self._parameters):
            raise TypeError(f"double: {self.name} takes {len(self._parameters)} arguments, got {len(args)}")
        values = [self._argument(p, a) for p, a in zip(self._parameters, args)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        tables = [a for (kind, _), a in zip(self._parameters, args) if kind in _TABLES]
        memories = [a._mem for a in args if isinstance(a, Base)]
        memories += [self._memory(n) for table in tables for n in table.view(np.uint64).tolist() if n]  # 0: no elements
        arrays = [a._a for a in args if isinstance(a, Base)] + [m.data for m in memories]
        owners = [weakref.ref(m) for m in memories]
        name, library, function, flush = self.name, self._library, self._function, self._flush
        dimensions = (ctypes.c_uint * 3)(*grid3), (ctypes.c_uint * 3)(*block3)

        def work() -> None:
            _ = arrays, values  # what the addresses point to: the graph knows the memory, `pointers` needs the values
            ctypes.c_int.in_dll(library, "host_order").value = order
            library.host_flush(flush)
            failure = function(*dimensions, pointers)
            library.host_flush(0)
            if failure is not None:
                raise RuntimeError(f"double: kernel {name}: {failure.decode()}")
            for owner in () if _launch.thread.replaying else owners:
                place = _written_outside(owner())
                if place:
                    raise RuntimeError(f"double: kernel {name} wrote {place} the memory of an argument")

        _launch.launch("raw", name, work, stream=stream)

    def _argument(self, parameter: tuple[Any, bool], value: Any) -> Any:
        """A C object as CuPy makes it (cupy/cuda/function.pyx:56, `_pointer`), if it is of the declared type.

        CuPy passes a number of Python's as 64 bits (int: long long, float: double), a number of NumPy's or an array of
        NumPy's with one element in its own type, None as a null pointer, and an array by its address whatever its
        strides.
        """
        wanted, pointer = parameter
        if isinstance(wanted, str):  # a structure goes by value, as an array of NumPy's of size one
            if not isinstance(value, np.ndarray) or value.dtype.kind != "V" or value.size != 1:
                raise TypeError(f"double: {self.name}: a {wanted} was given {value!r} of {type(value)}")
            return (ctypes.c_char * value.nbytes).from_buffer_copy(value)
        if pointer:
            if value is None:
                return ctypes.c_void_p(0)
            if not isinstance(value, Base):
                raise TypeError(f"double: {self.name}: a pointer was given {type(value)}")
            if value.dtype != wanted:
                raise TypeError(f"double: {self.name}: a pointer to {wanted.__name__} was given {value.dtype}")
            if not value._a.flags.c_contiguous:
                raise TypeError(f"double: {self.name}: a pointer to memory that is not C-contiguous")
            if value._a.ctypes.data % value.itemsize:
                raise TypeError(f"double: {self.name}: a pointer that is not aligned to its {value.dtype}")
            return ctypes.c_void_p(value._a.ctypes.data if value.size else 0)
        if type(value) in PYTHON_SCALARS:
            value = np.asarray(value)[()]
        if not isinstance(value, (np.generic, np.ndarray)) or value.dtype != wanted or value.size != 1:
            raise TypeError(f"double: {self.name}: a {wanted.__name__} was given {value!r} of {type(value)}")
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())

    def _memory(self, address: int) -> memory.Memory:
        """The memory that an address in a table lies in."""
        found = memory.owner(address, 1)
        if found is None:
            raise TypeError(f"double: {self.name}: a table with the address {address:#x}, where no array lies")
        return found


def _dimensions(name: str, given: Any, most: tuple[int, int, int]) -> tuple[int, int, int]:
    """Three whole numbers, at least 1 each (function.pyx:143), within the device's limits."""
    if not isinstance(given, tuple):
        raise TypeError(f"Argument '{name}' has incorrect type (expected tuple, got {type(given).__name__})")
    x, y, z = (max(1, operator.index(n)) for n in (given + (1, 1))[:3])
    if any(n > limit for n, limit in zip((x, y, z), most)):
        raise CUDADriverError(1)
    return x, y, z


def _written_outside(of: memory.Memory | None) -> str | None:
    """Where guards were written, of memory that still exists."""
    return of.check() if of is not None and of.ptr else None


@functools.cache
def _build(code: str, options: tuple[str, ...]) -> tuple[ctypes.CDLL, dict[str, Any]]:
    for option in options:
        if not OPTIONS.fullmatch(option):
            raise CompileException(f"nvrtc: error: unrecognized option {option} found", code, "", options, "nvrtc")
    plain = _COMMENT.sub("", code)
    numbers = {name: int(n) for name, n in _CONSTANT.findall(plain)}
    real = next((o.partition("=")[2] for o in options if o.startswith("-DREAL=")), "float")
    kernels = {}
    for bound, name, declaration in _KERNEL.findall(plain):
        limit = int(bound) if bound.isdigit() else numbers[bound] if bound else 1024
        parameters = []
        for part in declaration.split(","):
            words = part.replace("__restrict__", " ").replace("const ", " ").replace("*", " * ").split()
            pointer = "*" in words
            kind = " ".join(w for w in words[:-1] if w != "*")
            parameters.append((kind if kind in _STRUCTURES else _TYPES[real if kind == "real" else kind], pointer))
        kernels[name] = (limit, parameters)
    launchers = "".join(
        f'extern "C" const char* host_{name}(const unsigned int* grid, const unsigned int* block, void** arguments) '
        f"{{ return hostcuda::launch({name}, grid, block, arguments); }}\n"
        for name in kernels
    )
    text = f'#line 1 "shim"\n{SHIM.read_text()}\n{FLUSHING}\n{code}\n#line 1 "launchers"\n{launchers}'
    flags = [*FLAGS, *(o for o in options if o.startswith("-D"))]
    try:
        library = shared_library(text, flags)
    except BuildError as error:  # NVRTC's form of a message is file(line): error: ...
        log = re.sub(r"^(\S+?):(\d+):(?:\d+:)? (error|warning):", r"\1(\2): \3:", str(error), flags=re.M)
        raise CompileException(log, code, "", options, "nvrtc") from None
    return library, kernels
