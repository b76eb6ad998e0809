"""Run a CUDA kernel on the host and look: every access of one thread and one warp, and sums over all of them.

    seen = look("conv2d", [(1, 1, 8, 8), (1, 1, 3, 3)])
    seen.launches[0].instructions      # see kernels/minigen_kernels/host/recording.py

Imports: kernels, cache. Read next: ``figures.py``.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.cache import cache_folder
from minigen.kernel_view.calls import arguments_for
from minigen_kernels import cuda, plain_room, reference
from minigen_kernels.calls import Shape, produced
from minigen_kernels.cuda.launch import using
from minigen_kernels.host.build import compiler
from minigen_kernels.host.recording import Launch, RecordingBackend

MOST_CELLS = 1 << 18  # of all arrays of a call: each access of each thread is noted


class NoCompilerError(RuntimeError):
    """What runs the kernels is not here."""


@dataclass(frozen=True)
class Seen:
    """A call of a kernel, and what its launches did. `error` is the largest difference from the reference."""

    name: str
    arguments: tuple[str, ...]
    error: float
    launches: tuple[Launch, ...]
    block: int  # the one that was watched, by its number in the grid
    thread: int  # in the block, and so its warp


def look(
    name: str,
    shapes: Sequence[Shape] = (),
    *,
    block: int = 0,
    thread: int = 0,
    dtype: Any = "float32",
    is_plain: bool = False,
) -> Seen:
    """Run kernel `name` of the CUDA room on arrays of these shapes, watching one thread of one block.

    `is_plain`: the CUDA kernel of the plain room instead. ValueError for what cannot be run or watched; NoCompilerError
    where there is no g++ on Linux.
    """
    given = arguments_for(name, shapes, np.dtype(dtype))
    cells = sum(a.size for a in given if isinstance(a, np.ndarray)) + sum(a for a in given if type(a) is int)
    if cells > MOST_CELLS:
        raise ValueError(f"{name}: {cells} cells are too many to watch each access; take at most {MOST_CELLS}")
    if not sys.platform.startswith("linux") or compiler() is None:
        raise NoCompilerError(
            "running CUDA kernels without a GPU takes g++ on Linux: apt-get install g++ (with binutils)"
        )
    backend = RecordingBackend(cache_folder() / "kernel_view", block, thread // 32)
    mine = copy.deepcopy(given)
    with using(backend):
        made = produced(plain_room().cuda if is_plain else cuda, name, mine)
    if not backend.launches:
        raise ValueError(f"{name} launches no kernel of minigen: on a GPU it is a call of cuBLAS")
    expected = produced(reference, name, copy.deepcopy(given))
    error = max(float(np.abs(np.asarray(a, float) - b).max(initial=0)) for a, b in zip(made, expected, strict=True))
    seen = Seen(name, tuple(map(_told, given)), error, tuple(backend.launches), block, thread)
    _check_watched(seen)
    return seen


def _check_watched(seen: Seen) -> None:
    sizes = [(int(np.prod(one.grid)), int(np.prod(one.block))) for one in seen.launches]
    if not any(seen.block < blocks and seen.thread < threads for blocks, threads in sizes):
        grids = ", ".join(f"{blocks} blocks of {threads} threads" for blocks, threads in sizes)
        raise ValueError(f"{seen.name}: there is no thread {seen.block},{seen.thread}; it launches {grids}, from 0 on")


def _told(argument: Any) -> str:
    if isinstance(argument, np.ndarray):
        return f"{argument.dtype} {argument.shape}"
    return argument.__name__ if isinstance(argument, type) else str(argument)
