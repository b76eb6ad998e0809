"""The typed launcher: `launch` checks and casts every argument by the kernel's own declaration, then runs it.

A kernel that is handed a wrong type does not fail, it computes nonsense: a Python float arrives as a double, a size
beyond 2**31 wraps. So nothing reaches a kernel here that its `.cu` file does not declare. Memory comes from `empty`
and `contiguous`, which ask the same backend (``backend.py``) that the kernels run on.

    y = empty(x.shape, x.dtype)
    launch("elementwise.cu", "erf_kernel", blocks_for(x.size), THREADS, contiguous(x), y, x.size)

Imports: ``backend.py``, ``plan.py``, ``source.py``. Read next: ``elementwise.py`` beside ``elementwise.cu``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from minigen_kernels import Array
from minigen_kernels.cuda.backend import Backend, CupyBackend
from minigen_kernels.cuda.plan import MOST_ARRAYS, Plan, chunks_of
from minigen_kernels.cuda.source import kernels

#: Threads of a block where the kernel does not ask for another number.
THREADS = 256
#: Blocks of a grid-stride loop: enough to fill any device, few enough that each block has work. A constant, since a
#: number that depends on the device would let results depend on it.
MOST_BLOCKS = 4096

_device = CupyBackend()
_instead: ContextVar[Backend] = ContextVar("instead")
_plans: dict[tuple[str, str], Plan] = {}


@contextmanager
def using(backend: Backend) -> Iterator[None]:
    """Run kernels and take memory elsewhere than on the CUDA device, inside of a `with` block."""
    token = _instead.set(backend)
    try:
        yield
    finally:
        _instead.reset(token)


def backend_here() -> Backend:
    """Where kernels run."""
    return _instead.get(_device)


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new C-contiguous array of any content where the kernels run."""
    return _instead.get(_device).empty(shape, dtype)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new C-contiguous array of zeros where the kernels run."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def counters(n: int) -> Array:
    """At least n counters, all 0: uint32. With them a kernel finds its last block (`last_to_come`); it leaves them 0.

    They are the same ones for every launch, so none has to clear them.
    """
    return _instead.get(_device).counters(n)


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
    number, cast to the declared type; a whole number must fit, a bool may stand for 0 or 1. For a table
    (``together.cuh``): a list of arrays. A pointer whose name ends in ``_or_null`` may be None.

    Raises TypeError or ValueError that names file, kernel and parameter when an argument does not fit its
    declaration or the grid exceeds the hardware's or the kernel's bounds, RuntimeError when the file does not compile.
    """
    backend = _instead.get(_device)
    plan = _plans.get((file, kernel))
    if plan is None:
        declared = kernels(file).get(kernel)
        if declared is None:
            raise ValueError(f"{file}: there is no kernel {kernel!r}; the file has {', '.join(kernels(file))}")
        plan = _plans[file, kernel] = Plan(declared)
    grid3, block3 = plan.grids.get((grid, block)) or plan.grid(grid, block)
    text, cast = plan.arguments(arguments, backend)
    backend.run(text, kernel, grid3, block3, cast)


def launch_together(file: str, kernel: str, tables: Sequence[Sequence[Array]], *arguments: Any) -> None:
    """Run a kernel that takes many arrays over all elements of them, in as few launches as they fit in.

    Its first parameters are one table for each list of `tables`, then the chunks. Array k of every list has as many
    elements as that of the first.
    """
    for first in range(0, len(tables[0]), MOST_ARRAYS):
        few = [table[first : first + MOST_ARRAYS] for table in tables]
        blocks, chunks = _cut(tuple([array.size for array in few[0]]))
        launch(file, kernel, blocks, THREADS, *few, chunks, *arguments)


@functools.lru_cache(maxsize=1024)
def _cut(sizes: tuple[int, ...]) -> tuple[int, Array]:
    """The blocks for arrays of these sizes, and their chunks."""
    total, chunks = chunks_of(sizes)
    return max(1, min(total, MOST_BLOCKS)), chunks
