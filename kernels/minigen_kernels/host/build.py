"""A backend for `minigen_kernels.cuda.launch` that runs the CUDA kernels on the host: g++, the shim, ctypes.

    with launch.using(HostBackend(folder)):
        y = cuda.conv2d(x, w, ...)        # NumPy arrays in and out, the real wrappers and the real .cu text

`order` 0 runs the threads of a block from first to last, 1 from last to first. `sanitize` builds with the address and
undefined-behaviour sanitizers; the process must then run with `sanitizer_environment()`.

Imports: NumPy, ``cuda/source.py``. Read next: ``recording.py``.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda import source
from minigen_kernels.cuda.source import HERE, Program, kernels

SHIM = Path(__file__).with_name("cuda_host_shim.h")
#: No contraction of a * b + c: the host must round as -fmad=false does; where a kernel allows contraction, tolerances
#: cover both.
FLAGS = ("-O1", "-std=c++17", "-shared", "-fPIC", "-w", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
SANITIZE = ("-g1", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


#: A declaration in shared memory, and the names in it.
_SHARED = re.compile(r"\b__shared__ ([^;]+);")
_NAME = re.compile(r"(\w+)(?:\[[^\]]*\])*(?:, |$)")


def compiler() -> str | None:
    """Where g++ is, or None."""
    return shutil.which("g++")


def sanitizer_environment() -> dict[str, str]:
    """The environment of a Python process that may load a library built with `sanitize`."""
    found = subprocess.run(
        [compiler() or "g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    options = "detect_leaks=0:detect_stack_use_after_return=0:exitcode=66"
    return {**os.environ, "LD_PRELOAD": found.stdout.strip(), "ASAN_OPTIONS": options}


class HostBackend:
    """Kernels on NumPy arrays. Libraries are built on first use and kept in `folder` under a hash of their content."""

    def __init__(self, folder: Path, order: int = 0, sanitize: bool = False) -> None:
        self.folder = folder
        self.order = order
        self.sanitize = sanitize
        self._counters = np.zeros(1, np.uint32)

    def owns(self, *arrays: Any) -> bool:
        """Whether all are NumPy's."""
        return all(isinstance(array, np.ndarray) for array in arrays)

    def addresses(self, arrays: Sequence[Array]) -> list[int]:
        """The addresses of the arrays' data."""
        return [array.ctypes.data for array in arrays]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Filled with NaN, or with bytes 0xff: a cell that no thread writes shows in the result."""
        array = np.empty(shape, dtype)
        array.view().reshape(-1).view(np.uint8).fill(0xFF)
        return array

    def counters(self, n: int) -> Array:
        """As many as were asked for, so that the sanitizers see the end."""
        self._counters = np.zeros(n, np.uint32)
        return self._counters

    def library(self, program: Program) -> ctypes.CDLL:
        """The library that holds the kernels of a program."""
        return load(program, self.folder, self.sanitize)

    def run(self, program: Program, kernel: str, grid: Any, block: Any, arguments: Sequence[Any]) -> None:
        """Build on first use, run the threads one after another. RuntimeError for a fault that the shim sees."""
        library = self.library(program)
        ctypes.c_int.in_dll(library, "host_order").value = self.order
        values = [self._as_c(value) for value in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        function = library[f"host_{kernel}"]
        function.restype = ctypes.c_char_p
        failure = function((ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), pointers)
        if failure is not None:
            raise RuntimeError(f"{program.file}: kernel {kernel}: {failure.decode()}")
        if self._counters.any():
            raise RuntimeError(f"{program.file}: kernel {kernel}: left counters that are not 0")

    def _as_c(self, value: Any) -> Any:
        """A C object that holds the argument: an address, a structure, or the number itself."""
        if value is None:
            return ctypes.c_void_p(None)
        if value.dtype.kind == "V":
            return (ctypes.c_char * value.nbytes).from_buffer_copy(value)
        if isinstance(value, np.ndarray):
            return ctypes.c_void_p(value.ctypes.data)
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())


def load(program: Program, folder: Path, sanitize: bool) -> ctypes.CDLL:
    """The library that holds the program: all of the room in one, or a file from elsewhere alone."""
    room = tuple(sorted(path.name for path in HERE.glob("*.cu")))
    return _library(room if program.file in room else (program.file,), program.dtype, folder, sanitize)


@functools.cache
def _library(files: tuple[str, ...], dtype: Any, folder: Path, sanitize: bool) -> ctypes.CDLL:
    """Build the programs of `files`, unless a library of the same content is in the folder, and load it."""
    text = told_of_shared(together([source.program(file, dtype) for file in files], _launchers), "HOST_FILL({name});")
    flags = [*FLAGS, *(SANITIZE if sanitize else ()), f"-DREAL={source.REALS[dtype]}"]
    digest = digest_of(SHIM.read_text(encoding="utf-8"), text, *flags)
    kind = f"{Path(files[0]).stem if len(files) == 1 else 'room'}-{dtype}" + ("-sanitized" if sanitize else "")
    library = folder / f"{kind}-{digest}.so"
    if not library.exists():
        for old in folder.glob(f"{kind}-{'?' * 16}.so"):
            old.unlink(missing_ok=True)
        shim = precompiled_shim(folder, sanitize)
        compile_into(text, [*flags, "-include", str(shim), "-x", "c++", "-"], library)
    return ctypes.CDLL(str(library))


def together(programs: Sequence[Program], more: Callable[[Program], str] = lambda _: "") -> str:
    """One text of several programs, each in a namespace, since their helpers share names; `more` is added to each."""
    return "\n".join(f"namespace {Path(p.file).stem}_cu {{\n{p.text}\n{more(p)}}}" for p in programs)


def told_of_shared(text: str, call: str) -> str:
    """The text with a call behind each declaration in shared memory; {name} in it is that of the array."""

    def told(found: re.Match[str]) -> str:
        return " ".join([found[0], *(call.format(name=name) for name in _NAME.findall(found[1]))])

    return _SHARED.sub(told, text)


def _launchers(program: Program) -> str:
    """What starts each kernel of a program on the host."""
    return '#line 1 "launchers"\n' + "".join(
        f'extern "C" const char* host_{name}(const unsigned int* grid, const unsigned int* block, void** arguments) '
        f"{{ return hostcuda::launch({name}, grid, block, arguments); }}\n"
        for name in kernels(program.file)
    )


@functools.cache
def precompiled_shim(folder: Path, sanitize: bool) -> Path:
    """A copy of the shim in `folder`, beside what g++ has made of it for these flags: a third of each build."""
    text = SHIM.read_text(encoding="utf-8")
    flags = [*FLAGS, *(SANITIZE if sanitize else ())]
    header = folder / f"{digest_of(text, *flags)}-{SHIM.name}"
    made = header.with_name(f"{header.name}.gch")
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = header.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(f'#line 1 "{SHIM.name}"\n{text}', encoding="utf-8")
        os.replace(scratch, header)
        compile_into(None, [*flags, "-x", "c++-header", str(header)], made)
    return header


def digest_of(*texts: str) -> str:
    """A name for what is made of these texts."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def compile_into(text: str | None, flags: Sequence[str], result: Path) -> None:
    """Write what g++ makes of the text in one step, so that another process never loads half of it.

    Of several processes that want it at the same time one makes it, and the others wait.
    """
    import fcntl  # which Windows lacks

    result.parent.mkdir(parents=True, exist_ok=True)
    with result.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if result.exists():
            return
        scratch = result.with_suffix(f".{os.getpid()}.tmp")
        command = [compiler() or "g++", *flags, "-o", str(scratch)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        os.replace(scratch, result)
