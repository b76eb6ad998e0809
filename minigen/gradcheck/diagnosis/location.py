"""A gradient that is wrong only in some elements: where x > 0, in the last row, in one channel.

In a small tensor many patterns fit by chance. So the elements of the tensor are shuffled and the gradient is checked
again: an error that depends on the index stays there, an error that depends on the value moves with it.

Imports: the files of the checker. Read next: ``missing_term.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.contract import broadcasts_to
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.diagnosis.recheck import recheck_at
from minigen.gradcheck.directions import Coordinates
from minigen.gradcheck.graph import graph_nodes
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 400  # a tensor of more elements is not shuffled
SHUFFLES = 3
SIGNIFICANCE = 1e-3  # level of significance: a pattern that is more probable by chance does not count
MASK_SIGNIFICANCE = 0.05  # the same for arrays of two values, which are made to select elements

Sample = tuple[dict[str, Array], Array]  # features of each element, and which elements are wrong


def location(failed: FailedCheck) -> Iterator[Explanation]:
    """A condition on a value or an index that tells the wrong elements from the right ones."""
    wrong: Array = np.asarray(failed.wrong.any(0))
    if not isinstance(failed.directions, Coordinates) or wrong.all() or not wrong.any() or failed.x.size < 2:
        return
    if not _is_abrupt(failed):
        return
    here = _features(failed), wrong
    if not (_by_index(wrong.reshape(failed.shape)) or _by_value([here], certain=True)):
        return
    shuffled = list(_shuffled(failed)) if failed.x.size <= MOST else []
    samples = [here, *shuffled]
    by_value, by_index = _by_value(samples), _by_index(wrong.reshape(failed.shape))
    if not all(not (w & ~wrong).any() for _, w in shuffled):  # (that a wrong zero is right does not count)
        by_index = ""
    what = _comparison_there(failed)
    if by_value:
        right, bad = sum(int((~w).sum()) for _, w in samples), sum(int(w.sum()) for _, w in samples)
        yield Explanation("mask", f"It is wrong where {by_value} and only there ({bad} wrong numbers, {right} right "
                          f"ones).{what}")  # fmt: skip
    elif by_index:
        text = f"It is wrong {by_index} and right elsewhere ({int(wrong.sum())} of {wrong.size} elements)."
        yield Explanation("region", f"{text}{what}{_map(wrong.reshape(failed.shape))}")


def _is_abrupt(failed: FailedCheck) -> bool:
    """Is each wrong element clearly wrong? Else the error decreases gradually, and no border can be determined."""
    e = failed.comparison
    off = np.where(failed.wrong, np.abs(e.analytic - e.numeric), 0.0)
    clear: Array = off > 1e-3 * np.maximum(np.abs(e.analytic), np.abs(e.numeric))
    return not bool((failed.wrong.any(0) & ~clear.any(0)).any())


def _shuffled(failed: FailedCheck) -> Iterator[Sample]:
    """Samples of the same check with the elements of the tensor in random order."""
    rng = np.random.default_rng(1)
    for _ in range(SHUFFLES):
        x = rng.permutation(failed.x.ravel()).reshape(failed.shape)
        there = recheck_at(failed, x)
        if there is None:
            return
        yield _features(there), np.asarray(there.wrong.any(0))


def _features(failed: FailedCheck) -> dict[str, Array]:
    """What a condition may be about: the element or its absolute value, another tensor, the output, or a mask."""
    found = {failed.name: failed.x.ravel(), f"|{failed.name}|": np.abs(failed.x).ravel()}
    for check in failed.checks:
        if check is not failed.check and broadcasts_to(check.x.shape, failed.shape):
            other = np.broadcast_to(check.x, failed.shape)
            found[f"{failed.name} - {check.name}"] = (failed.x - other).ravel()
            found[check.name] = other.ravel()
    for name, y in zip(failed.lin.function.output_names, failed.outputs, strict=True):
        if y.shape == failed.shape:
            found[name], found[f"|{name}|"] = y.numpy().ravel(), np.abs(y.numpy()).ravel()
    for node in graph_nodes(failed.outputs):
        for name, value in vars(node).items():
            if (
                isinstance(value, np.ndarray)
                and value.dtype.kind in "fbiu"
                and broadcasts_to(value.shape, failed.shape)
            ):
                array = np.broadcast_to(value, failed.shape).astype(np.float64).ravel()
                found.setdefault(f"self.{name} of {type(node).__name__}", array)
    return found


def _by_value(samples: list[Sample], certain: bool = False) -> str:
    """The condition on a value that separates right from wrong in all samples, in words; "" if there is none.

    A condition has to be significant, unless it is `certain`.
    """
    wrong = np.concatenate([w for _, w in samples])
    if not 0 < wrong.sum() < wrong.size:
        return ""
    stays = all(np.array_equal(w, samples[0][1]) for _, w in samples)
    seen = samples[0][1] if stays else wrong  # the same elements in all samples are no new evidence
    names = [name for name in samples[0][0] if all(name in f for f, _ in samples)]
    values = {name: np.concatenate([f[name] for f, _ in samples]) for name in names}
    masks = [name for name in names if len(np.unique(values[name])) == 2]
    orders = math.comb(seen.size, int(seen.sum()))
    for some, chance in ((masks, MASK_SIGNIFICANCE), (names, SIGNIFICANCE)):
        # By chance a threshold on one of these separates the elements in 2 of all orders.
        if 2 * len(some) > chance * orders and not certain:
            continue
        for name in some:
            bad, good = values[name][wrong], values[name][~wrong]
            fades = (
                name.startswith("|") and good.max() < 0.2 * bad.min()
            )  # perhaps the error is only too small near zero
            if bad.min() > good.max() and not fades:
                return _condition(name, ">", float(good.max()), float(bad.min()))
            if bad.max() < good.min():
                return _condition(name, "<", float(bad.max()), float(good.min()))
    return ""


def _condition(name: str, sign: str, low: float, high: float) -> str:
    """`name` compared with the simplest number between `low` and `high`."""
    if {low, high} == {0.0, 1.0}:
        return f"{name} is {1 if sign == '>' else 0}"
    threshold = _simplest(low, high)
    if name.startswith("|") and sign == "<" and low == 0:
        return f"{name[1:-1]} = 0"
    if " - " in name and low <= 0 <= high:
        return name.replace(" - ", f" {sign} ")
    return f"{name} {sign} {threshold:g}"


def _simplest(low: float, high: float) -> float:
    """The number with the fewest digits from `low` to `high`."""
    if low <= 0 <= high:
        return 0.0
    for digits in range(1, 17):
        middle = float(f"{(low + high) / 2:.{digits - 1}e}")
        for candidate in (float(f"{low:.{digits - 1}e}"), float(f"{high:.{digits - 1}e}"), middle):
            if low <= candidate <= high:
                return candidate
    return (low + high) / 2


def _by_index(wrong: Array) -> str:
    """The rule for the index that separates right from wrong, in words; "" if there is none."""
    if wrong.sum() == 1:
        return f"at index {tuple(int(i) for i in np.argwhere(wrong)[0])}"
    for axis in range(wrong.ndim):
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        some, every = wrong.any(others), wrong.all(others)
        if np.array_equal(some, every) and not some.all():
            text = _along(axis, np.flatnonzero(some), wrong.shape[axis], alone=wrong.ndim == 1)
            if text:
                return text
    for count in range(2, wrong.ndim + 1):  # the frame of some axes, as an image has one
        for axes in itertools.combinations(range(wrong.ndim), count):
            if all(wrong.shape[a] > 2 for a in axes):
                inner = tuple(slice(1, -1) if a in axes else slice(None) for a in range(wrong.ndim))
                frame = np.ones(wrong.shape, bool)
                frame[inner] = False
                if np.array_equal(frame, wrong):
                    return f"at the border of axes {' and '.join(map(str, axes))}"
    lows = [int(i) for i in np.argwhere(wrong).min(0)]
    highs = [int(i) + 1 for i in np.argwhere(wrong).max(0)]
    box = tuple(slice(a, b) for a, b in zip(lows, highs, strict=True))
    if wrong[box].all() and wrong.ndim > 1:
        return f"in the block [{', '.join(f'{a}:{b}' for a, b in zip(lows, highs, strict=True))}]"
    return ""


def _along(axis: int, bad: Array, n: int, alone: bool) -> str:
    """Which slices along an axis, in words."""
    if len(bad) == 1:
        where = {0: " (the first)", n - 1: " (the last)"}.get(int(bad[0]), "")
        return f"at index {bad[0]} of axis {axis}{where}"
    if np.array_equal(bad, np.arange(len(bad))):
        return f"in the first {len(bad)} places of axis {axis}"
    if np.array_equal(bad, np.arange(n - len(bad), n)):
        return f"in the last {len(bad)} places of axis {axis}"
    step = int(bad[1] - bad[0])
    if n >= 4 and np.array_equal(bad, np.arange(bad[0], n, step)):
        return (
            f"in every {step}{'nd' if step == 2 else 'rd' if step == 3 else 'th'} place of axis {axis}, from {bad[0]}"
        )
    if np.array_equal(bad, [0, n - 1]):
        return f"at both ends of axis {axis}"
    if not alone and len(bad) <= 8:
        return f"at the indices {', '.join(map(str, bad))} of axis {axis}"
    return ""


def _comparison_there(failed: FailedCheck) -> str:
    """How both gradients compare where they differ: a factor, a zero."""
    a, n = failed.comparison.analytic[failed.wrong], failed.comparison.numeric[failed.wrong]
    tolerance = failed.comparison.tolerance(failed.comparison.analytic)[failed.wrong]
    if not a.any():
        return " There the analytic one is zero."
    if (np.abs(n) <= tolerance).all():
        return " There it ought to be zero."
    c = float((a * n).sum() / (n * n).sum())
    if np.abs(a - c * n).max() <= max(1e-6 * np.abs(a).max(), float(tolerance.max())) and a.size > 1:
        return " There a sign is turned." if abs(c + 1) < 1e-4 else f" There analytic = {c:.6g} * numeric."
    return ""


def _map(wrong: Array) -> str:
    """The last two axes as rows and columns: # is wrong somewhere along the other axes, . is right."""
    if wrong.ndim < 2:
        return ""
    picture: Array = np.asarray(wrong.reshape(-1, *wrong.shape[-2:]).any(0))
    if max(picture.shape) > 32:
        return ""
    over = "" if wrong.ndim == 2 else ", over all others"
    rows = "\n".join("    " + "".join("#" if w else "." for w in row) for row in picture)
    return f"\nAxes {wrong.ndim - 2} and {wrong.ndim - 1}{over}, # is wrong:\n{rows}"
