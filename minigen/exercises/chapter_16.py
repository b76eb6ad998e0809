"""The exercises of docs/guide/16_fast.md: Amdahl's law, an update without a new array, a profile that is read.

Imports: exercise. Read next: ``docs/guide/16_fast.md``.
"""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same

TITLE = "Making it fast"
SIZE = 100_000  # numbers of an array, beside which what Python asks for is small


def check_amdahl(answers: Any) -> None:
    """16.1: the speedup of several parts; the factor of one part, which may not exist."""
    for shares, factors, wanted in (
        ([0.5], [2.0], 4 / 3),
        ([0.5, 0.5], [2.0, 2.0], 2.0),
        ([0.58, 0.24], [3.4, 1.0], 1 / (0.42 + 0.58 / 3.4)),
        ([0.2, 0.3, 0.1], [4.0, 2.0, 0.5], 1 / (0.4 + 0.05 + 0.15 + 0.2)),
        ([], [], 1.0),
    ):
        same(answers.speedup(shares, factors), wanted, f"speedup({shares}, {factors})", rtol=1e-9)
    for p, total, wanted in ((0.5, 4 / 3, 2.0), (0.9, 5.0, 9.0), (1.0, 7.0, 7.0), (0.25, 1.0, 1.0), (0.58, 2.0, 7.25)):
        same(answers.needed(p, total), wanted, f"needed({p}, {total})", rtol=1e-9)
    for p, total in ((0.5, 2.0), (0.5, 3.0), (0.1, 1.2)):
        got = answers.needed(p, total)
        if got is not None:
            most = f"a part of {p} that takes no time at all makes the whole {1 / (1 - p):.3g} times as fast"
            raise Mistake(f"needed({p}, {total}) is {got}, wanted None: {most}, and no factor reaches that")


def check_adam(answers: Any) -> None:
    """16.2: three steps with the numbers of the formula, and no memory for an array in them."""
    rng = np.random.default_rng(16)
    p, m, v = rng.normal(size=SIZE), np.zeros(SIZE), np.zeros(SIZE)
    own = [x.copy() for x in (p, m, v)]
    a, b = np.empty(SIZE), np.empty(SIZE)
    for k in (1, 2, 3):
        g = rng.normal(size=SIZE)
        given = g.copy()
        m[...] = 0.9 * m + 0.1 * g
        v[...] = 0.999 * v + 0.001 * g**2
        p[...] = p - 1e-3 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        peak = _memory(lambda given=given, k=k: answers.adam(own[0], given, own[1], own[2], a, b, k, 1e-3))
        if not np.array_equal(given, g):
            raise Mistake("adam(...) has changed g, which is not its own; it may write to p, m, v, a and b")
        for name, got, wanted in zip("mvp", (own[1], own[2], own[0]), (m, v, p)):
            same(got, wanted, f"{name} after step {k}", rtol=1e-9, atol=1e-12)
        if peak >= SIZE * 8:
            count = peak / (SIZE * 8)
            raise Mistake(
                f"adam(...) asks for {peak / 1e6:.1f} MB, as much as {count:.1f} arrays, in step {k}. An operation "
                "makes an array unless it is told where to write: np.multiply(m, 0.9, out=m), or m *= 0.9"
            )


def check_next_change(answers: Any) -> None:
    """16.3: the row with the most milliseconds above its floor, and what they give."""
    profiles = (
        [("matmul", 5.0, 4.5), ("adam", 3.0, 1.0), ("relu", 0.5, 0.05)],
        [("matmul", 5.0, 4.9), ("adam", 1.0, 0.9), ("Python", 2.0, 0.0)],
        [("a", 1.0, 0.1), ("b", 10.0, 8.0), ("c", 9.0, 8.9)],
        [("alone", 2.0, 0.5)],
    )
    for rows in profiles:
        whole = sum(ms for _, ms, _ in rows)
        name, ms, floor = max(rows, key=lambda row: row[1] - row[2])
        wanted = whole / (whole - ms + floor)
        got = answers.next_change(list(rows))
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Mistake(f"next_change({rows}) is {got!r}, wanted a pair: the name of a row, and a speedup")
        if got[0] != name:
            told = {one: ms - floor for one, ms, floor in rows}
            if got[0] not in told:
                raise Mistake(f"next_change({rows}) names {got[0]!r}, which is no row")
            lost = f"{got[0]!r} is {told[got[0]]:.3g} ms above its floor, {name!r} is {told[name]:.3g} ms above"
            raise Mistake(f"next_change({rows}) names {got[0]!r}, wanted {name!r}: {lost}")
        same(got[1], wanted, f"the speedup in next_change({rows})", rtol=1e-9)


def _memory(call: Any) -> int:
    """The most bytes that a call asks for beyond what was there, as Python and NumPy tell."""
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        return max(0, math.ceil(tracemalloc.get_traced_memory()[1] - before))
    finally:
        if started:
            tracemalloc.stop()


EXERCISES = (
    Exercise(
        "16.1",
        "Amdahl, for several parts, and backwards",
        start='''def speedup(shares, factors):
    """The speedup of the whole, if the part with shares[i] of the time becomes factors[i] times as fast."""
    ...


def needed(p, total):
    """How many times as fast the part with the share p has to become for the whole to become that; or None."""
    ...
''',
        check=check_amdahl,
        task=r"""
Write `speedup(shares, factors)`: the speedup of the whole when part $i$, which has the share `shares[i]` of the time,
becomes `factors[i]` times as fast; what the shares leave to 1 stays as it is. Then `needed(p, total)`: how many times
as fast a part with the share `p` has to become for the whole to become `total` times as fast; `None` if no factor is
enough.
""",
    ),
    Exercise(
        "16.2",
        "Adam without a new array",
        start='''import numpy as np


def adam(p, g, m, v, a, b, k, lr):
    """One step of Adam: changes p, m and v in place; a and b are arrays to write to, k counts steps from 1."""
    ...
''',
        check=check_adam,
        task=r"""
Write `adam(p, g, m, v, a, b, k, lr)`, one step of Adam with the constants of this chapter, that changes `p`, `m` and
`v` in place and makes no array: `a` and `b` are two arrays of the shape of `p` that it may write to. `k` counts steps
from 1. The check compares the numbers, and measures the memory that is asked for.
""",
    ),
    Exercise(
        "16.3",
        "Read a profile",
        start='''def next_change(rows):
    """Of rows (name, ms, floor_ms): (the name of the row that is worth the most, the speedup of the whole step)."""
    ...
''',
        check=check_next_change,
        task=r"""
A profile is a list of rows `(name, ms, floor_ms)`; the row `"Python"` has the floor 0. Write `next_change(rows)`: the
pair of the name of the row that is worth the most, and the speedup of the whole step if that row alone came down to its
floor. Which row is it: the one that takes the longest, or the one that is farthest from its floor?
""",
    ),
)
