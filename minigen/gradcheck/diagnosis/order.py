"""Are the numbers right, but in the wrong places? Axes exchanged, reversed, shifted.

Imports: the files of the checker. Read next: ``other_input.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.diagnosis.factor import factor_between, factor_explanation
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 30_000  # a tensor of more elements is not rearranged in every way


def order(case: Case) -> Iterator[Explanation]:
    """The simplest way to put the elements in the right order; if there is none, one with a factor besides."""
    if case.x.size < 2:
        return
    ways = list(_rearranged(case.analytic.reshape(-1, *case.shape)))
    for kind, text, mended in ways:
        if case.accepts(mended):
            yield Explanation(kind, f"The analytic gradient is right but for the order of its elements: {text}.")
            return
    for kind, text, mended in ways:
        c = factor_between(case, mended)
        if c is not None:
            yield Explanation(kind, f"The elements of the analytic gradient are in the wrong order: {text}.")
            yield factor_explanation(case, c)
            return
    yield from _moved_over_the_edge(case)


def _rearranged(a: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, words, and the numbers (K, size) in another order, simple ones first. `a` is (K, *shape)."""
    shape = a.shape[1:]
    axes = range(len(shape))
    if a[0].size > MOST:
        return
    exchanges = [p for p in itertools.permutations(axes) if len(shape) <= 5]
    exchanges.sort(key=lambda p: sum(i != j for i, j in enumerate(p)))
    flips = [some for n in range(1, len(shape) + 1) for some in itertools.combinations(axes, n)
             if len(shape) <= 5 and all(shape[i] > 1 for i in some)]  # fmt: skip
    for p in exchanges:
        mended = _exchanged(a, p)
        if mended is not None:
            yield "transposed", _exchange_text(shape, p), mended
    for some in flips:
        yield "flipped", _flip_text(some), np.flip(a, tuple(i + 1 for i in some)).reshape(len(a), -1)
    for axis in axes:
        for by in (1, -1, 2, -2):
            if 2 * abs(by) <= shape[axis]:
                far = f"{abs(by)} place{'s' if abs(by) > 1 else ''} too far {'on' if by > 0 else 'back'}"
                yield "shifted", f"they are {far} along axis {axis}", np.roll(a, -by, axis + 1).reshape(len(a), -1)
    if len(shape) > 1:
        yield "shifted", "they are one place too far on, read in C order", np.roll(a.reshape(len(a), -1), -1, 1)
        yield "shifted", "they are one place too far back, read in C order", np.roll(a.reshape(len(a), -1), 1, 1)
    if len(shape) <= 3:
        for p, some in itertools.product(exchanges, flips):
            mended = _exchanged(np.flip(a, tuple(i + 1 for i in some)), p)
            if mended is not None:
                yield "transposed", f"{_exchange_text(shape, p)}, and {_flip_text(some)}", mended


def _exchanged(a: Array, p: tuple[int, ...]) -> Array | None:
    """(K, *shape) as it would be, had the axes been exchanged by `p` and the numbers then been read in that order."""
    shape = a.shape[1:]
    long = [i for i in p if shape[i] > 1]
    if long == sorted(long):  # nothing moves
        return None
    permuted = a.reshape(len(a), *(shape[i] for i in p))
    return permuted.transpose(0, *(i + 1 for i in np.argsort(p))).reshape(len(a), -1)


def _exchange_text(shape: tuple[int, ...], p: tuple[int, ...]) -> str:
    moved = [i for i, j in enumerate(p) if i != j]
    if tuple(shape[i] for i in p) == shape:
        return f"axes {' and '.join(map(str, moved))} are exchanged (a transpose missing?)"
    wrong = tuple(shape[i] for i in p)
    return f"they are those of an array of shape {wrong} that was reshaped to {shape}, where a transpose was meant"


def _flip_text(some: tuple[int, ...]) -> str:
    return f"reversed along {' and '.join(f'axis {i}' for i in some)} (a flip missing?)"


def _moved_over_the_edge(case: Case) -> Iterator[Explanation]:
    """Shifted along an axis, where what goes over the edge is lost: all but the edge agrees."""
    if case.numeric is None or case.error is None or case.wrong.any(0).mean() < 0.5:
        return
    a, n, error = (array.reshape(-1, *case.shape) for array in (case.analytic, case.numeric, case.error))
    for axis, by in itertools.product(range(1, a.ndim), (1, -1)):
        behind, ahead = np.arange(a.shape[axis] - 1), np.arange(1, a.shape[axis])
        here, there = (ahead, behind) if by > 0 else (behind, ahead)
        found, meant = a.take(here, axis), n.take(there, axis)
        if found.size >= 6 and case.agree(found, meant, error.take(there, axis)):
            far = "on" if by > 0 else "back"
            text = f"The elements of the analytic gradient are one place too far {far} along axis {axis - 1}"
            yield Explanation("shifted", f"{text}; but for the edge all {found.size} agree.")
            return
