"""`RawModule` of the double: the program text, compiled for the host with minigen's shim, runs on the double's memory.

CuPy checks neither number nor types of the arguments; here both must be those of the kernel's declaration. float32
programs run with subnormal numbers flushed to zero, as CuPy's option -ftz=true makes them on a device.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from . import _ledger
from ._array import PYTHON_SCALARS, ndarray
from .cuda.compiler import CompileException
from .cuda.driver import CUDADriverError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_CONSTANT = re.compile(r"\bconstexpr\s+int\s+(\w+)\s*=\s*(\d+)\s*;")
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(\s*(\w+)\s*(?:,\s*\w+\s*)?\)\s*)?(\w+)\s*\(([^()]*)\)'
)
_TYPES = {
    "bool": np.bool_, "int": np.int32, "unsigned int": np.uint32, "long long": np.int64,
    "unsigned long long": np.uint64, "float": np.float32, "double": np.float64,
}  # fmt: skip
FLAGS = ("-O2", "-std=c++17", "-shared", "-fPIC", "-w", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
#: What NVRTC takes and a kernel here could need; anything else is refused, to be looked up.
OPTIONS = re.compile(r"-D\w+(=\S*)?|-?-std=c\+\+\d\d|-?-fmad=(true|false)|-?-ftz=(true|false)|-I\S+|-lineinfo|-use_fast_math")

#: 0: threads and blocks from first to last, 1: from last to first.
order = int(os.environ.get("CUPY_DOUBLE_ORDER", "0"))
flush = os.environ.get("CUPY_DOUBLE_FTZ", "1") != "0"


SHIM = Path(__file__).parents[2] / "kernels" / "cuda" / "cuda_host_shim.h"


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
    def __init__(self, code: str, name: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **_: Any) -> None:
        self.name = self.__name__ = name
        library, kernels = _build(code, options)
        if name not in kernels:
            raise CUDADriverError(f"CUDA_ERROR_NOT_FOUND: named symbol not found ({name})")
        self.max_threads_per_block, self._parameters = kernels[name]
        self._library, self._real32 = library, "-DREAL=double" not in options
        self._function = library[f"host_{name}"]
        self._function.restype = ctypes.c_char_p

    def __call__(self, grid: Any, block: Any, args: Any, shared_mem: int = 0, stream: Any = None) -> None:
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError("Argument 'grid' has incorrect type (expected tuple)")
        grid3 = tuple(max(1, int(n)) for n in (grid + (1, 1))[:3])
        block3 = tuple(max(1, int(n)) for n in (block + (1, 1))[:3])
        if grid3[0] >= 2**31 or max(grid3[1:]) > 65535 or block3[2] > 64:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        if block3[0] * block3[1] * block3[2] > self.max_threads_per_block:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument (too many threads)")
        if len(args) != len(self._parameters):
            raise TypeError(f"double: {self.name} takes {len(self._parameters)} arguments, got {len(args)}")
        values = [self._argument(p, a) for p, a in zip(self._parameters, args)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        _ledger.record("raw", self.name)
        ctypes.c_int.in_dll(self._library, "host_order").value = order
        if flush and self._real32:
            self._library.host_flush(1)
        try:
            failure = self._function((ctypes.c_uint * 3)(*grid3), (ctypes.c_uint * 3)(*block3), pointers)
        finally:
            self._library.host_flush(0)
        if failure is not None:
            raise RuntimeError(f"double: kernel {self.name}: {failure.decode()}")

    def _argument(self, parameter: tuple[Any, bool], value: Any) -> Any:
        wanted, pointer = parameter
        if pointer:
            if not isinstance(value, ndarray):
                raise TypeError(f"double: {self.name}: a pointer was given {type(value)}")
            if value.dtype != wanted:
                raise TypeError(f"double: {self.name}: a pointer to {wanted.__name__} was given {value.dtype}")
            if not value._a.flags.c_contiguous:
                raise TypeError(f"double: {self.name}: a pointer to memory that is not C-contiguous")
            return ctypes.c_void_p(value._a.ctypes.data)
        if type(value) in PYTHON_SCALARS:
            value = np.asarray(value)[()]
        if not isinstance(value, (np.generic, np.ndarray)) or value.dtype != wanted or value.size != 1:
            raise TypeError(f"double: {self.name}: a {wanted.__name__} was given {value!r} of {type(value)}")
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())


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
            parameters.append((_TYPES[real if kind == "real" else kind], pointer))
        kernels[name] = (limit, parameters)
    launchers = "".join(
        f'extern "C" const char* host_{name}(const unsigned int* grid, const unsigned int* block, void** arguments) '
        f"{{ return hostcuda::launch({name}, grid, block, arguments); }}\n"
        for name in kernels
    )
    text = f'#line 1 "shim"\n{SHIM.read_text()}\n{FLUSHING}\n{code}\n#line 1 "launchers"\n{launchers}'
    flags = [*FLAGS, *(o for o in options if o.startswith("-D"))]
    digest = hashlib.sha256("\n".join([text, *flags]).encode()).hexdigest()[:20]
    folder = Path(os.environ.get("CUPY_DOUBLE_CACHE", Path.home() / ".cache" / "cupy_double"))
    library = folder / f"{digest}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = library.with_suffix(f".{os.getpid()}.tmp")
        command = ["g++", *flags, "-x", "c++", "-", "-o", str(scratch)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            # NVRTC's form of a message is file(line): error: ...
            log = re.sub(r"^(\S+?):(\d+):(?:\d+:)? (error|warning):", r"\1(\2): \3:", done.stderr, flags=re.M)
            raise CompileException(log, code, "", options, "nvrtc")
        os.replace(scratch, library)
    return ctypes.CDLL(str(library)), kernels
