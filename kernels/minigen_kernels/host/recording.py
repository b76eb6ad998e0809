"""What the threads of a CUDA kernel do to memory, noted while its source runs on the host.

    backend = RecordingBackend(folder, block=0, warp=0)
    with launch.using(backend):
        y = cuda.conv2d(x, w, ...)
    backend.launches[0].totals          # what all warps did, by place in the source and array
    backend.launches[0].instructions    # what one warp did, instruction by instruction

The source is that of the CUDA room, unchanged. How it is noted and counted: ``recorder.cpp``. g++ at -O1 keeps a number
that is read twice in a register, as nvcc does; it does not join neighbouring reads into one of 16 bytes, as nvcc may.

Imports: NumPy, ``build.py``, ``cuda/source.py``. Read next: ``recorder.cpp``.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda import source
from minigen_kernels.cuda.backend import Dim3
from minigen_kernels.cuda.source import Kernel, Program, kernels
from minigen_kernels.host.build import FLAGS, SHIM, HostBackend, compile_into, digest_of, told_of_shared

HOOKS = SHIM.with_name("recording.h")
RECORDER = SHIM.with_name("recorder.cpp")
#: -fno-tree-sra: an object is stored whole, as in the source. -fno-reorder-blocks: the order of the code is that of the
#: source, by which the lanes of a warp are put side by side. The next two let a library's own functions be inlined, and
#: its shared arrays be its own.
INSTRUMENT = ("-g1", "-fno-exceptions", "-fno-tree-sra", "-fno-ipa-sra", "-fno-reorder-blocks",
              "-fno-semantic-interposition", "-fno-gnu-unique", "-fsanitize=thread",
              "-fsanitize-coverage=trace-pc")  # fmt: skip

KINDS = ("branch", "read", "write", "__syncthreads", "__syncwarp", "shuffle", "atomic", "fence")
#: Behind each declaration in shared memory: else g++ takes it for the function's own.
TELL = 'recorder_shared(&{name}, sizeof {name}, "{name}");'
READ, WRITE, SYNCTHREADS, SYNCWARP, SHUFFLE, ATOMIC, FENCE = range(1, 8)
SHARED = -1

INSTRUCTION = np.dtype([
    ("site", "u8"), ("kind", "i4"), ("array", "i4"), ("size", "i4"), ("sectors", "i4"), ("lines", "i4"),
    ("passes", "i4"), ("least", "i4"), ("unused", "i4"), ("lanes", "u4"), ("wanted", "u4"), ("offset", "u8", (32,)),
])  # fmt: skip
TOTAL = np.dtype([
    ("site", "u8"), ("kind", "i4"), ("array", "i4"), ("size", "i4"), ("unused", "i4"), ("instructions", "u8"),
    ("accesses", "u8"), ("wanted", "u8"), ("sectors", "u8"), ("lines", "u8"), ("passes", "u8"), ("least", "u8"),
])  # fmt: skip


@dataclass(frozen=True)
class Operand:
    """An array that a kernel was given, by the name of its parameter.

    `touched` has a number for each byte: 1 read, 2 written, 3 both, 0 neither.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    touched: Array

    @property
    def bytes_read(self) -> int:
        """Different bytes that were read."""
        return int(np.count_nonzero(self.touched & 1))

    @property
    def bytes_written(self) -> int:
        """Different bytes that were written."""
        return int(np.count_nonzero(self.touched & 2))


@dataclass(frozen=True)
class SharedArray:
    """An array of a kernel in shared memory: where it lies there, in bytes."""

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class Place:
    """A line of the source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel. `instructions` (of one warp, type INSTRUCTION) and `totals` (of all, type TOTAL)."""

    kernel: Kernel
    dtype: np.dtype[Any]
    grid: Dim3
    block: Dim3
    operands: tuple[Operand, ...]
    shared: tuple[SharedArray, ...]
    instructions: Array
    totals: Array
    places: dict[int, Place]

    def shared_at(self, offset: int) -> SharedArray:
        """The array of shared memory that has this byte."""
        return next(one for one in self.shared if one.start <= offset < one.start + one.size)


class RecordingBackend(HostBackend):
    """Kernels on NumPy arrays, whose `launches` are kept. It watches one warp of one block closely."""

    def __init__(self, folder: Path, block: int = 0, warp: int = 0) -> None:
        super().__init__(folder)
        self.watched_block = block
        self.watched_warp = warp
        self.launches: list[Launch] = []
        self._in_tables: dict[int, Array] = {}

    def addresses(self, arrays: Sequence[Array]) -> list[int]:
        """The addresses, which go into a table of arrays; the arrays are remembered by them."""
        found = super().addresses(arrays)
        self._in_tables.update(zip(found, arrays, strict=True))
        return found

    def library(self, program: Program) -> ctypes.CDLL:
        """The program alone, with a call before each access."""
        return ctypes.CDLL(str(_built(program, self.folder)))

    def run(self, program: Program, kernel: str, grid: Any, block: Any, arguments: Sequence[Any]) -> None:
        """Run it and append what it did to `launches`."""
        library = self.library(program)
        named = self._named(kernels(program.file)[kernel], arguments)
        path = _built(program, self.folder)
        at = self.watched_block
        watched = (at % grid[0], at // grid[0] % grid[1], at // (grid[0] * grid[1]))  # beyond the grid: none
        library.recorder_start((ctypes.c_uint * 3)(*watched), self.watched_warp)
        for _, array in named:
            library.recorder_array(ctypes.c_uint64(array.ctypes.data), ctypes.c_uint64(array.nbytes))
        super().run(program, kernel, grid, block, arguments)
        counts = np.zeros(2, np.uint64)
        library.recorder_finish(ctypes.c_void_p(counts.ctypes.data))
        instructions, totals = np.zeros(int(counts[0]), INSTRUCTION), np.zeros(int(counts[1]), TOTAL)
        library.recorder_take(ctypes.c_void_p(instructions.ctypes.data), ctypes.c_void_p(totals.ctypes.data))
        sites = {int(site) for site in [*instructions["site"], *totals["site"]]}
        self.launches.append(
            Launch(
                kernel=kernels(program.file)[kernel],
                dtype=program.dtype,
                grid=grid,
                block=block,
                operands=tuple(
                    Operand(name, array.shape, array.dtype, _touched(library, i, array.nbytes))
                    for i, (name, array) in enumerate(named)
                ),
                shared=tuple(_shared_arrays(library)),
                instructions=instructions,
                totals=totals,
                places=_places(path, library, sites),
            )
        )

    def _named(self, kernel: Kernel, arguments: Sequence[Any]) -> list[tuple[str, Array]]:
        """The arrays among the arguments by the names of their parameters; in a table, NAME[0], NAME[1], ..."""
        named: list[tuple[str, Array]] = []
        for parameter, value in zip(kernel.parameters, arguments, strict=True):
            if parameter.type in source.TABLES:
                found = [self._in_tables[a] for a in np.frombuffer(value.tobytes(), np.uint64) if a in self._in_tables]
                named += [(f"{parameter.name}[{i}]", array) for i, array in enumerate(found)]
            elif parameter.pointer and value is not None:
                named.append((parameter.name.removesuffix("_or_null"), value))
        first = {array.ctypes.data: name for name, array in reversed(named)}  # of several names for one array
        return [(name, array) for name, array in named if array.nbytes and first[array.ctypes.data] == name]


@functools.cache
def _built(program: Program, folder: Path) -> Path:
    """The library that holds one program and the recorder."""
    launchers = "".join(
        f'extern "C" const char* host_{name}(const unsigned int* grid, const unsigned int* block, void** arguments) '
        f"{{ return hostcuda::launch(recording::Recorded<{name}>::run, grid, block, arguments); }}\n"
        for name in kernels(program.file)
    )
    told = told_of_shared(program.text, TELL)
    parts = [SHIM.read_text(encoding="utf-8"), HOOKS.read_text(encoding="utf-8"), told]
    text = "\n".join(
        f'#line 1 "{name}"\n{part}' for name, part in zip(("shim", "hooks", "program"), parts, strict=True)
    )
    text += f'\n#line 1 "launchers"\n{launchers}'
    recorder = RECORDER.read_text(encoding="utf-8")
    flags = [flag for flag in FLAGS if flag != "-shared"]
    kernel_flags = [*flags, *INSTRUMENT, f"-DREAL={source.REALS[program.dtype]}"]
    digest = digest_of(text, recorder, *kernel_flags)
    library = folder / f"recorded-{Path(program.file).stem}-{program.dtype}-{digest}.so"
    if not library.exists():
        objects = [library.with_suffix(".o"), folder / f"recorder-{digest_of(recorder)}.o"]
        compile_into(text, [*kernel_flags, "-c", "-x", "c++", "-"], objects[0])
        compile_into(recorder, [*flags, "-O2", "-c", "-x", "c++", "-"], objects[1])
        compile_into(None, ["-shared", *map(str, objects)], library)
        objects[0].unlink()
    return library


def _touched(library: ctypes.CDLL, array: int, nbytes: int) -> Array:
    library.recorder_touched.restype = ctypes.c_void_p
    at = library.recorder_touched(array)
    return np.frombuffer(ctypes.string_at(at, nbytes), np.uint8)


def _shared_arrays(library: ctypes.CDLL) -> Iterator[SharedArray]:
    """The arrays in shared memory that the launch came to."""
    library.recorder_shared_array.restype = ctypes.c_char_p
    place = np.zeros(2, np.uint64)
    for number in itertools.count():
        name = library.recorder_shared_array(ctypes.c_size_t(number), ctypes.c_void_p(place.ctypes.data))
        if name is None:
            return
        yield SharedArray(name.decode(), int(place[0]), int(place[1]))


@functools.cache
def _places_in(path: Path, addresses: tuple[int, ...]) -> list[Place]:
    """The lines of the CUDA source at these addresses of the library: of inlined code, the innermost one."""
    told = _told(["addr2line", "-i", "-a", "-e", str(path), *(hex(address) for address in addresses)])
    found = []
    for part in told.split("0x")[1:]:
        frames = [line.split(" ")[0].rpartition("/")[2].rpartition(":") for line in part.splitlines()[1:]]
        ours = [(file, line) for file, _, line in frames if file.endswith((".cu", ".cuh")) and line.isdigit()]
        found.append(Place(ours[0][0], int(ours[0][1])) if ours else Place("?", 0))
    return found


def _places(path: Path, library: ctypes.CDLL, sites: set[int]) -> dict[int, Place]:
    """The line of the source for each site."""
    library.recorder_base.restype = ctypes.c_uint64
    ordered, base = sorted(sites), library.recorder_base()
    addresses = tuple(site // 16 - base - 1 for site in ordered)  # the call itself, not what it returns to
    return dict(zip(ordered, _places_in(path, addresses) if addresses else [], strict=True))


def _told(command: list[str]) -> str:
    return subprocess.run([shutil.which(command[0]) or command[0], *command[1:]], capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
