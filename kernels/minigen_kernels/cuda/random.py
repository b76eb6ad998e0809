"""Random numbers in CUDA, bit for bit the reference's: shapes and grids here, the steps in ``random.cu``.

The arrays are made on the current device: a draw has no argument that could say where.

Inside `offsets`, kernels read a part of their position from the device, so that the draws of a recorded graph move on
when that word does.

Imports: NumPy, ``launch.py``; from ``reference`` the check of arguments. Specification: the same file there. Read next:
``random.cu``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.random import check_probabilities


class Offset(NamedTuple):
    """What is added to the positions of a sequence: a word on the device, uint64 (1,), and what it holds."""

    word: Array
    value: int


Offsets = Mapping[tuple[int, int], Offset]  # by seed and stream
_offsets: ContextVar[Offsets] = ContextVar("offsets", default={})  # noqa: B039 - nobody changes it


@contextmanager
def offsets(of: Offsets) -> Iterator[None]:
    """Inside of the ``with`` block, the kernels of these sequences take the part `value` of their position from `word`.

    What they draw is the same. It is the offset's owner who keeps word and value equal.
    """
    token = _offsets.set(of)
    try:
        yield
    finally:
        _offsets.reset(token)


def start(seed: int, stream: int, position: int) -> tuple[int, Array | None, int, int]:
    """Position, offset, seed and stream of a draw, as kernels take them."""
    offset = _offsets.get().get((seed, stream))
    if offset is None:
        return position, None, seed, stream
    return (position - offset.value) % 2**64, offset.word, seed, stream


def philox(seed: int, stream: int, position: int, blocks: int) -> Array:
    """Blocks of four random words: uint32 (blocks, 4)."""
    out = empty((blocks, 4), np.uint32)
    _fill("philox_kernel", out, seed, stream, position)
    return out


def uniform(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` numbers from [0, 1): float32 or float64 (n,)."""
    return _draw("uniform_kernel", seed, stream, position, n, dtype)


def normal(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` standard normal numbers: float32 or float64 (n,)."""
    return _draw("normal_kernel", seed, stream, position, n, dtype)


def bernoulli(seed: int, stream: int, position: int, n: int, p: float | Array) -> Array:
    """`n` numbers that are 1 with probability p (a number, or one for each), else 0: float32 (n,)."""
    kernel = "bernoulli_kernel"
    if not isinstance(p, float):
        check_probabilities(p, n)
        kernel, p = "bernoulli_each_kernel", contiguous(p)
    out = empty((n,), np.float32)
    launch("random.cu", kernel, blocks_for(-(-n // 4)), THREADS, out, *start(seed, stream, position), n, p)
    return out


def permutation(seed: int, stream: int, position: int, n: int) -> Array:
    """The numbers 0 to n - 1 in random order, int64 (n,): the order of n random keys, by merge sort."""
    keys, order = empty((n,), np.uint64), empty((n,), np.int64)
    run = constants("random.cu")["SORTED"]
    tiles = max(1, -(-n // run))
    from_here = start(seed, stream, position)
    launch("random.cu", "sorted_keys_kernel", tiles, run // 2, keys, order, *from_here, n)
    while run < n:
        merged = empty((n,), np.uint64), empty((n,), np.int64)
        launch("random.cu", "merge_kernel", blocks_for(n), THREADS, keys, order, *merged, n, run)
        (keys, order), run = merged, 2 * run
    return order


def _draw(kernel: str, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """The first n values of as many whole blocks as hold them."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"random kernels: dtype is float32 or float64, got {dtype}")
    values_per_block = 16 // dtype.itemsize
    out = empty((-(-n // values_per_block), values_per_block), dtype)
    _fill(kernel, out, seed, stream, position)
    return out.reshape(-1)[:n]


def _fill(kernel: str, out: Array, seed: int, stream: int, position: int) -> None:
    """Fill out (blocks, values of a block) with the blocks from `position` on."""
    blocks = out.shape[0]
    launch("random.cu", kernel, blocks_for(blocks), THREADS, out, *start(seed, stream, position), blocks)
