"""Is it wrong in some places only? Where x > 0; in the last row; in one channel.

In small tensors much looks like a pattern. So the elements of the tensor are shuffled and the gradient is checked
again: an error that belongs to a place stays there, an error that belongs to a value moves with it.

Imports: the files of the checker. Read next: ``rest.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.diagnosis.elsewhere import at_point
from minigen.gradcheck.graph import nodes_of
from minigen.gradcheck.probes import Elements
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 400  # a tensor of more elements is not shuffled
SHUFFLES = 3
CHANCE = 1e-3  # a pattern that chance gives more often than this is none
CHANCE_OF_A_MASK = 0.05  # as much for what has only two values: it is there to choose places

Sample = tuple[dict[str, Array], Array]  # what is known about each element, and which elements are wrong


def places(case: Case) -> Iterator[Explanation]:
    """Where the gradient is wrong: by value, or by index."""
    wrong: Array = np.asarray(case.wrong.any(0))
    if not isinstance(case.probes, Elements) or wrong.all() or not wrong.any() or case.x.size < 2:
        return
    if not _abrupt(case):
        return
    here = _features(case), wrong
    if not (_by_index(wrong.reshape(case.shape)) or _by_value([here], certain=True)):
        return
    shuffled = list(_shuffled(case)) if case.x.size <= MOST else []
    samples = [here, *shuffled]
    by_value, by_index = _by_value(samples), _by_index(wrong.reshape(case.shape))
    if not all(not (w & ~wrong).any() for _, w in shuffled):  # (that a wrong zero is right does not count)
        by_index = ""
    what = _what_is_there(case)
    if by_value:
        right, bad = sum(int((~w).sum()) for _, w in samples), sum(int(w.sum()) for _, w in samples)
        yield Explanation("mask", f"It is wrong where {by_value} and only there ({bad} wrong numbers, {right} right "
                          f"ones).{what}")  # fmt: skip
    elif by_index:
        text = f"It is wrong {by_index} and right elsewhere ({int(wrong.sum())} of {wrong.size} elements)."
        yield Explanation("region", f"{text}{what}{_map(wrong.reshape(case.shape))}")


def _abrupt(case: Case) -> bool:
    """Is each wrong element clearly wrong? Else the error fades away, and has no border that could be told."""
    e = case.evidence
    off = np.where(case.wrong, np.abs(e.analytic - e.numeric), 0.0)
    clear: Array = off > 1e-3 * np.maximum(np.abs(e.analytic), np.abs(e.numeric))
    return not bool((case.wrong.any(0) & ~clear.any(0)).any())


def _shuffled(case: Case) -> Iterator[Sample]:
    """The same check with the elements of the tensor in another order, which they keep only by chance."""
    rng = np.random.default_rng(1)
    for _ in range(SHUFFLES):
        x = rng.permutation(case.x.ravel()).reshape(case.shape)
        there = at_point(case, x)
        if there is None:
            return
        yield _features(there), np.asarray(there.wrong.any(0))


def _features(case: Case) -> dict[str, Array]:
    """What a condition may be about: the element, its size, that of another tensor, of the output, or of a mask."""
    found = {case.name: case.x.ravel(), f"|{case.name}|": np.abs(case.x).ravel()}
    for one in case.inspected:
        if one is not case.one and _fits(one.x.shape, case.shape):
            other = np.broadcast_to(one.x, case.shape)
            found[f"{case.name} - {one.name}"] = (case.x - other).ravel()
            found[one.name] = other.ravel()
    for name, y in zip(case.sides.problem.output_names, case.outputs, strict=True):
        if y.shape == case.shape:
            found[name], found[f"|{name}|"] = y.numpy().ravel(), np.abs(y.numpy()).ravel()
    for node in nodes_of(case.outputs):
        for name, value in vars(node).items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "fbiu" and _fits(value.shape, case.shape):
                array = np.broadcast_to(value, case.shape).astype(np.float64).ravel()
                found.setdefault(f"self.{name} of {type(node).__name__}", array)
    return found


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Can an array of this shape be broadcast to the other one?"""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False


def _by_value(samples: list[Sample], certain: bool = False) -> str:
    """The condition on a value that tells right from wrong in all samples, in words; "" if there is none.

    What may as well be chance is none, unless it is `certain` that it is not.
    """
    wrong = np.concatenate([w for _, w in samples])
    if not 0 < wrong.sum() < wrong.size:
        return ""
    stays = all(np.array_equal(w, samples[0][1]) for _, w in samples)
    seen = samples[0][1] if stays else wrong  # the same places again and again prove nothing
    names = [name for name in samples[0][0] if all(name in f for f, _ in samples)]
    values = {name: np.concatenate([f[name] for f, _ in samples]) for name in names}
    masks = [name for name in names if len(np.unique(values[name])) == 2]
    orders = math.comb(seen.size, int(seen.sum()))
    for some, chance in ((masks, CHANCE_OF_A_MASK), (names, CHANCE)):
        # A threshold on one of these sorts the elements by chance in 2 of all orders.
        if 2 * len(some) > chance * orders and not certain:
            continue
        for name in some:
            bad, good = values[name][wrong], values[name][~wrong]
            fades = name.startswith("|") and good.max() < 0.2 * bad.min()  # perhaps it is only small near zero
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
    """The rule for the index that tells right from wrong, in words; "" if there is none."""
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


def _what_is_there(case: Case) -> str:
    """How the two sides compare where they differ: a factor, a zero."""
    a, n = case.evidence.analytic[case.wrong], case.evidence.numeric[case.wrong]
    tolerance = case.evidence.tolerance(case.evidence.analytic)[case.wrong]
    if not a.any():
        return " There the analytic one is zero."
    if (np.abs(n) <= tolerance).all():
        return " There it ought to be zero."
    c = float((a * n).sum() / (n * n).sum())
    if np.abs(a - c * n).max() <= max(1e-6 * np.abs(a).max(), float(tolerance.max())) and a.size > 1:
        return " There a sign is turned." if abs(c + 1) < 1e-4 else f" There analytic = {c:.6g} * numeric."
    return ""


def _map(wrong: Array) -> str:
    """The last two axes as rows and columns: # is wrong somewhere, . is right."""
    if wrong.ndim < 2:
        return ""
    flat: Array = np.asarray(wrong.reshape(-1, *wrong.shape[-2:]).any(0))
    if max(flat.shape) > 32:
        return ""
    over = "" if wrong.ndim == 2 else ", over all others"
    rows = "\n".join("    " + "".join("#" if w else "." for w in row) for row in flat)
    return f"\nAxes {wrong.ndim - 2} and {wrong.ndim - 1}{over}, # is wrong:\n{rows}"
