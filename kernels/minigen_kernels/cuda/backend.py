"""Where kernels run: the interface of a backend, and the one on a CUDA device, through CuPy.

CuPy compiles a program with NVRTC when it is first used, and keeps the result on disk. Importing this file does not
import CuPy. The tests have another backend, which runs the same programs on the host.

Imports: NumPy; CuPy when a device is first used. Read next: ``launch.py``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.source import Program, kernels, program

Dim3 = tuple[int, int, int]
FEWEST_COUNTERS = 4096  # made at once


class Backend(Protocol):
    """What the launcher needs: memory, and a way to run a kernel."""

    def owns(self, *arrays: Any) -> bool:
        """Whether all of them are arrays that kernels here can read and write."""
        ...

    def addresses(self, arrays: Sequence[Array]) -> list[int]:
        """Where the first element of each lies. They are arrays of `owns`."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new C-contiguous array of any content."""
        ...

    def counters(self, n: int) -> Array:
        """At least n whole numbers, uint32, which are 0 whenever no kernel runs."""
        ...

    def run(self, program: Program, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Any]) -> None:
        """Run a kernel of the program. The arguments are arrays of `owns` and NumPy scalars of the declared types."""
        ...


class CupyBackend:
    """Kernels on the current CUDA device. Launches are asynchronous, on CuPy's current stream."""

    def __init__(self) -> None:
        #: By device and stream, since launches of one stream take turns; the last of a list is in use.
        self._counters: dict[tuple[int, int], list[Array]] = {}

    @functools.cached_property
    def _cupy(self) -> Any:
        return importlib.import_module("cupy")

    def owns(self, *arrays: Any) -> bool:
        """Whether all are CuPy's and lie on the current device, which is asked for once."""
        if not all(map(_is_of_cupy, {*map(type, arrays)})):
            return False
        here = self._cupy.cuda.runtime.getDevice() if arrays else None
        return all([array.data.device_id == here for array in arrays])

    def addresses(self, arrays: Sequence[Array]) -> list[int]:
        """The addresses on the device."""
        return [array.data.ptr for array in arrays]  # type: ignore[attr-defined]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new array on the device. When memory runs out, CuPy's pool is emptied and the request made once more."""
        cupy = self._cupy
        try:
            return cupy.empty(shape, dtype)
        except cupy.cuda.memory.OutOfMemoryError:
            cupy.get_default_memory_pool().free_all_blocks()
        try:
            return cupy.empty(shape, dtype)
        except cupy.cuda.memory.OutOfMemoryError as error:
            free, total = cupy.cuda.runtime.memGetInfo()
            wanted = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
            raise MemoryError(
                f"no room on the CUDA device for an array of shape {shape} ({wanted / 2**20:.0f} MiB): "
                f"{(total - free) / 2**20:.0f} of {total / 2**20:.0f} MiB are in use, by this and other processes. "
                "Use a smaller batch, or free arrays that are no longer needed"
            ) from error

    def counters(self, n: int) -> Array:
        """Made when a kernel first asks, or asks for more. Those before are kept: a captured graph may use them."""
        cuda = self._cupy.cuda
        made = self._counters.setdefault((cuda.runtime.getDevice(), cuda.get_current_stream().ptr), [])
        if not made or made[-1].size < n:
            made.append(self.empty((max(n, FEWEST_COUNTERS),), np.uint32))
            made[-1].fill(0)
        return made[-1]

    def run(self, program: Program, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Any]) -> None:
        """Compile on first use, check the device's own bound, launch."""
        function, most = _function(program, kernel)
        if block[0] * block[1] * block[2] > most:
            raise ValueError(
                f"{program.file}: kernel {kernel}: a block of {block} threads, but the device takes at most {most} "
                "of this kernel (registers and shared memory are short); launch smaller blocks"
            )
        function(grid, block, tuple(arguments))


@functools.cache
def _is_of_cupy(kind: type) -> bool:
    """Whether a type is CuPy's."""
    return kind.__module__.partition(".")[0] == "cupy"


@functools.cache
def _function(program: Program, kernel: str) -> tuple[Any, int]:
    """CuPy's function and the most threads that a block of it may have on this device."""
    cupy = importlib.import_module("cupy")
    module = cupy.RawModule(code=program.text, options=program.options)
    try:
        function = module.get_function(kernel)
        return function, function.max_threads_per_block
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(compile_error(program, str(error))) from error


def compile_error(program: Program, log: str) -> str:
    """The message for a program that does not compile: the first error with its file and line, then the whole log."""
    first = next((line for line in log.splitlines() if "error" in line), "no error line in the log")
    return f"{program.file} does not compile with {' '.join(program.options)}: {first.strip()}\n{log}"


def compile_all(file: str, dtype: Any) -> int:
    """Compile a `.cu` file for a dtype and load every kernel of it on the current device; how many these are."""
    names = kernels(file)
    for name in names:
        _function(program(file, np.dtype(dtype)), name)
    return len(names)
