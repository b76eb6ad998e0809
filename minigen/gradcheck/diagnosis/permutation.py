"""Are the numbers right, but in the wrong places? Axes exchanged, reversed, shifted.

Imports: the files of the checker. Read next: ``cotangent.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.factor import factor_between, factor_explanation
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.directions import Coordinates
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 30_000  # a tensor of more elements is not rearranged in every way


def permuted(failed: FailedCheck) -> Iterator[Explanation]:
    """The simplest permutation that puts the elements in the right order; else one with a factor besides."""
    if failed.x.size < 2:
        return
    permutations = list(_rearranged(failed.analytic.reshape(-1, *failed.shape)))
    for kind, text, repaired in permutations:
        if failed.accepts(repaired):
            yield Explanation(kind, f"The analytic gradient is right but for the order of its elements: {text}.")
            return
    for kind, text, repaired in permutations:
        c = factor_between(failed, repaired)
        if c is not None:
            yield Explanation(kind, f"The elements of the analytic gradient are in the wrong order: {text}.")
            yield factor_explanation(failed, c)
            return
    yield from _shifted_with_loss(failed)


def _rearranged(a: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description, and the numbers (K, size) in another order, simple ones first. `a` is (K, *shape)."""
    shape = a.shape[1:]
    axes = range(len(shape))
    if a[0].size > MOST:
        return
    exchanges = [p for p in itertools.permutations(axes) if len(shape) <= 5]
    exchanges.sort(key=lambda p: sum(i != j for i, j in enumerate(p)))
    flips = [subset for n in range(1, len(shape) + 1) for subset in itertools.combinations(axes, n)
             if len(shape) <= 5 and all(shape[i] > 1 for i in subset)]  # fmt: skip
    for p in exchanges:
        repaired = _exchanged(a, p)
        if repaired is not None:
            yield "transposed", _exchange_text(shape, p), repaired
    for subset in flips:
        yield "flipped", _flip_text(subset), np.flip(a, tuple(i + 1 for i in subset)).reshape(len(a), -1)
    for axis in axes:
        for by in (1, -1, 2, -2):
            if 2 * abs(by) <= shape[axis]:
                far = f"{abs(by)} place{'s' if abs(by) > 1 else ''} too far {'on' if by > 0 else 'back'}"
                yield "shifted", f"they are {far} along axis {axis}", np.roll(a, -by, axis + 1).reshape(len(a), -1)
    if len(shape) > 1:
        yield "shifted", "they are one place too far on, read in C order", np.roll(a.reshape(len(a), -1), -1, 1)
        yield "shifted", "they are one place too far back, read in C order", np.roll(a.reshape(len(a), -1), 1, 1)
    if len(shape) <= 3:
        for p, subset in itertools.product(exchanges, flips):
            repaired = _exchanged(np.flip(a, tuple(i + 1 for i in subset)), p)
            if repaired is not None:
                yield "transposed", f"{_exchange_text(shape, p)}, and {_flip_text(subset)}", repaired


def _exchanged(a: Array, p: tuple[int, ...]) -> Array | None:
    """(K, *shape) with axes permuted by `p`, read in that order as an array of the original shape; None if equal."""
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


def _flip_text(subset: tuple[int, ...]) -> str:
    return f"reversed along {' and '.join(f'axis {i}' for i in subset)} (a flip missing?)"


def _shifted_with_loss(failed: FailedCheck) -> Iterator[Explanation]:
    """Shifted along an axis, with the elements beyond the edge lost: all but the edge agrees."""
    if failed.numeric is None or failed.error is None or failed.wrong.any(0).mean() < 0.5:
        return
    a, n, error = (array.reshape(-1, *failed.shape) for array in (failed.analytic, failed.numeric, failed.error))
    for axis, by in itertools.product(range(1, a.ndim), (1, -1)):
        behind, ahead = np.arange(a.shape[axis] - 1), np.arange(1, a.shape[axis])
        here, there = (ahead, behind) if by > 0 else (behind, ahead)
        found, meant = a.take(here, axis), n.take(there, axis)
        if found.size >= 6 and failed.agree(found, meant, error.take(there, axis)):
            far = "on" if by > 0 else "back"
            text = f"The elements of the analytic gradient are one place too far {far} along axis {axis - 1}"
            yield Explanation("shifted", f"{text}; but for the edge all {found.size} agree.")
            return


def other_tensor(failed: FailedCheck) -> Iterator[Explanation]:
    """Analytic = the gradient of another tensor with the same number of elements."""
    for other in failed.checks:
        if other is failed.check or other.x.size != failed.x.size or failed.x.size == 0:
            continue
        if isinstance(other.directions, Coordinates):
            e, scales = other.comparison, other.directions.scales
            right, tolerance = e.numeric / scales, e.tolerance(e.numeric) / scales
        elif other.verdict == "OK":
            right, tolerance = other.gradients, other.lin.settings.rtol * np.abs(other.gradients)
        else:
            continue
        if failed.independent > 1 and failed.agree(failed.analytic, right, tolerance):
            far = np.abs(failed.analytic - right).max()
            both = failed.accepts(other.gradients)
            yield Explanation(
                "other-input",
                f"It is the gradient in {other.name} (largest difference {far:.1g})"
                + (f", and that of {other.name} is the one in {failed.name}: they are exchanged." if both else
                   ": has backward returned the gradients in the wrong order?"),
            )  # fmt: skip
            return
