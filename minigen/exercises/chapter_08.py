"""The exercises of docs/guide/08_cuda.md: sectors and turns, neighbours, the sum of a block.

Imports: exercise, minigen. Read next: ``docs/guide/08_cuda.md``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same

TITLE = "How a CUDA kernel runs"


class Cells:
    """An array as a kernel sees it: cells from 0 on, whose reads are counted; None is what nobody has written."""

    def __init__(self, name: str, values: list[float | None]) -> None:
        self.name, self.values, self.reads = name, values, [0] * len(values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> float:
        value = self.values[self._place(i, "read")]
        self.reads[i] += 1
        if value is None:
            raise Mistake(f"{self.name}[{i}] is read before a thread has written it: is a barrier missing?")
        return value

    def __setitem__(self, i: int, value: float) -> None:
        self.values[self._place(i, "written")] = value

    def _place(self, i: int, does: str) -> int:
        if not 0 <= i < len(self.values):
            raise Mistake(f"{self.name}[{i}] is {does}; its cells are 0 to {len(self.values) - 1}")
        return i


def _run_block(kernel: Callable[..., Iterator[None]], threads: int, *arguments: Any, backwards: bool) -> int:
    """Each thread runs to its next barrier, then the next thread; how many barriers there were.

    Mistake if some threads end where others wait.
    """
    if not inspect.isgeneratorfunction(kernel):
        raise Mistake(f"{kernel.__name__} has no `yield`: then it is no generator, and has no barrier")
    team = [kernel(t, *arguments) for t in range(threads)]
    barriers = 0
    while True:
        turns = list(reversed(range(threads)) if backwards else range(threads))
        ended = [t for t in turns if next(team[t], "ended") == "ended"]
        if len(ended) == threads:
            return barriers
        if ended:
            waiting = next(t for t in range(threads) if t not in ended)
            raise Mistake(
                f"{kernel.__name__}: thread {ended[0]} of {threads} ends while thread {waiting} waits at barrier "
                f"{barriers + 1}: every thread has to pass every barrier"
            )
        barriers += 1
        if barriers > 1000:
            raise Mistake(f"{kernel.__name__}: more than 1000 barriers: does it ever end?")


def check_sectors(answers: Any) -> None:
    """8.1: `sectors` and `turns` of the accesses of a warp."""
    cases = {
        "side by side": [4 * lane for lane in range(32)],
        "every other cell": [8 * lane for lane in range(32)],
        "a column of a 32 x 32 tile": [128 * lane for lane in range(32)],
        "a column of a tile with rows of 33": [132 * lane for lane in range(32)],
        "one cell for all": [64] * 32,
        "a row of 8 from byte 16 on": [16 + 4 * lane for lane in range(8)],
        "backwards": [124 - 4 * lane for lane in range(32)],
        "two cells of a bank, wanted by 16 lanes each": [0, 128] * 16,
        "one lane": [36],
    }
    for name, addresses in cases.items():
        banks: dict[int, set[int]] = {}
        for address in addresses:
            banks.setdefault(address // 4 % 32, set()).add(address)
        same(answers.sectors(list(addresses)), len({a // 32 for a in addresses}), f"sectors of {name}")
        same(answers.turns(list(addresses)), max(map(len, banks.values())), f"turns of {name}")


def check_smooth(answers: Any) -> None:
    """8.2: `smooth` is right in both orders, and reads each cell once."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 32):
        values = rng.normal(size=n)
        padded = np.concatenate([[0], values, [0]])
        wanted = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
        for backwards in (False, True):
            x, y, shared = Cells("x", list(values)), Cells("y", [None] * n), Cells("shared", [None] * n)
            _run_block(answers.smooth, n, x, y, shared, backwards=backwards)
            if None in y.values:
                raise Mistake(f"smooth: no thread has written y[{y.values.index(None)}]")
            order = "from last to first" if backwards else "from first to last"
            same(y.values, wanted, f"y of {n} cells, the threads {order},")
            if max(x.reads) > 1:
                at = int(np.argmax(x.reads))
                raise Mistake(f"smooth: x[{at}] is read {x.reads[at]} times; once is enough, by way of shared")


def check_block_sum(answers: Any) -> None:
    """8.3: `block_sum` in both orders, with few barriers."""
    for threads in (1, 2, 8, 32):
        values = [float(2**t % 97) for t in range(threads)]
        for backwards in (False, True):
            x, shared = Cells("x", list(values)), Cells("shared", [None] * threads)
            barriers = _run_block(answers.block_sum, threads, threads, x, shared, backwards=backwards)
            order = "from last to first" if backwards else "from first to last"
            if shared.values[0] is None:
                raise Mistake(f"block_sum of {threads} threads: no thread has written shared[0]")
            same(shared.values[0], sum(values), f"shared[0] of {threads} threads, {order},")
            most = threads.bit_length()  # log2 and one more
            if barriers > most:
                raise Mistake(
                    f"block_sum of {threads} threads passes {barriers} barriers, wanted at most {most}: a tree"
                )


EXERCISES = (
    Exercise(
        "8.1",
        "Sectors and turns",
        start='''def sectors(addresses):
    """How many sectors of 32 bytes the accesses of 4 bytes at these addresses touch."""
    ...


def turns(addresses):
    """How many turns they take in shared memory."""
    ...
''',
        check=check_sectors,
        task=r"""
Write two functions of a list of byte addresses, one for each lane that takes part; each lane accesses 4 bytes, and the
addresses are multiples of 4. `sectors(addresses)` is the number of sectors of 32 bytes in global memory, and
`turns(addresses)` the number of turns that the same access takes in shared memory: 1 if there is no conflict.
""",
    ),
    Exercise(
        "8.2",
        "Neighbours",
        start='''def smooth(t, x, y, shared):
    """y[t] = the mean of x[t - 1], x[t], x[t + 1], with zero outside; `yield` is a barrier."""
    ...
''',
        check=check_smooth,
        task=r"""
Write a kernel for `run_block` as a generator: `smooth(t, x, y, shared)` makes `y[t]` the mean of `x[t-1]`, `x[t]` and
`x[t+1]`, where cells outside count as zero. There is a thread for each cell; `shared` has as many cells as `x`. All
threads together may read each cell of `x` only once, and the result must not depend on the order of the threads.
""",
    ),
    Exercise(
        "8.3",
        "The sum of a block",
        start='''def block_sum(t, threads, x, shared):
    """shared[0] = the sum of x, joined in a tree; `yield` is a barrier."""
    ...
''',
        check=check_block_sum,
        task=r"""
Write `block_sum(t, threads, x, shared)`, a generator as well: `threads` is a power of two, x and `shared` have as many
cells. When all threads have ended, `shared[0]` is the sum of `x`, joined in a tree: $\log_2$ of the number of threads
steps, and at most one barrier more than that. Each thread has to pass every barrier, whether it still adds or not.
""",
    ),
)
