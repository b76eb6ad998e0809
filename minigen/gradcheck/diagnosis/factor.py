"""A wrong factor: -1, a length that turns a sum into a mean, 2, 1/2, a number of the layer.

Imports: the files of the checker. Read next: ``permutation.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.diagnosis.recheck import recheck_with_lengths
from minigen.gradcheck.graph import static_numbers
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

KNOWN_CONSTANTS = {np.pi: "pi", 2 * np.pi: "2 pi", np.sqrt(2 * np.pi): "the root of 2 pi", np.sqrt(2): "the root of 2",
             np.log(2): "ln 2", np.log(10): "ln 10", np.e: "e", 180 / np.pi: "180 / pi"}  # fmt: skip

FACTOR_TOLERANCE = 1e-5  # relative; a factor is found to more digits than that


def factor(failed: FailedCheck) -> Iterator[Explanation]:
    """Analytic = c * numeric everywhere."""
    c = factor_between(failed, failed.analytic)
    if c is not None:
        yield factor_explanation(failed, c)


def factor_explanation(failed: FailedCheck, c: float) -> Explanation:
    """The explanation of the factor `c`."""
    count = int(failed.usable.sum())
    if c == -1:
        return Explanation("sign", f"Analytic = -numeric in all {count} numbers: a sign is turned.")
    inverse = abs(c) < 1
    size = 1 / c if inverse else c
    text = f"Analytic = {f'numeric / {size:.6g}' if inverse else f'{size:.6g} * numeric'} everywhere: "
    turned = " And the sign is turned." if size < 0 else ""
    return Explanation("factor", text + _interpretation(failed, c) + turned)


def factor_between(failed: FailedCheck, gradients: Array) -> float | None:
    """The number c for which `gradients` / c (K, size) would have passed, if there is one other than 1."""
    e, projected = failed.comparison, failed.directions.project(gradients)
    weight = np.where(failed.usable & np.isfinite(projected), 1 / np.maximum(e.tolerance(e.analytic), 1e-290), 0.0)
    weight /= max(weight.max(initial=0.0), 1e-290)
    a, n = projected * weight, np.where(failed.usable, e.numeric, 0.0) * weight
    if not (n.any() and a.any()):
        return None
    c = float((a * n).sum() / (n * n).sum())
    if not np.isfinite(c) or c == 0:
        return None
    for rounded in _round_numbers(failed, c):
        if rounded != 1 and failed.accepts(gradients / rounded):
            return rounded
    # A factor without interpretation is a free parameter: it has to fit more numbers than one.
    return c if failed.independent > 1 and failed.accepts(gradients / c) else None


def _round_numbers(failed: FailedCheck, c: float) -> Iterator[float]:
    """Numbers close to `c` that a mistake would give: whole, half, or with an interpretation."""
    special = [sign * m.factor for m in _interpretations(failed) for sign in (1, -1)]
    for size in (c, 1 / c):
        for rounded in (round(size), round(size * 2) / 2, *special):
            if rounded and abs(size / rounded - 1) < 1e-2:
                yield rounded if size == c else 1 / rounded


@dataclass(frozen=True)
class Interpretation:
    """What a factor may be. `name` is the same for axes of other lengths, where `factor` may be another number.

    Of several with the same `formula`, such as two axes of one length, only the first is reported.
    """

    name: str
    factor: float
    text: str
    formula: str


def _interpretation(failed: FailedCheck, c: float) -> str:
    """What the factor `c` may be; of several interpretations those that also fit for axes of other lengths."""
    fitting = _fitting(failed, c)
    same_there = False

    def use(there: FailedCheck) -> bool:
        nonlocal fitting, same_there
        c_there = factor_between(there, there.analytic)
        if c_there is None:
            return False
        names = [m.name for m in _fitting(there, c_there)]
        fitting = [m for m in fitting if m.name in names]
        same_there = abs(c_there / c - 1) < FACTOR_TOLERANCE
        return True

    if len(fitting) > 1 or any(m.name in dict(failed.lengths()) for m in fitting):
        if failed.lin.order == 1:
            recheck_with_lengths(failed, use)
    texts = list({m.formula: m.text for m in reversed(fitting)}.values())[::-1]
    if not texts:
        what = "a factor is missing" if abs(c) < 1 else "a factor too much"
        return f"{what}, and the same with axes of other lengths." if same_there else f"{what}."
    return " Or: ".join(texts)


def _fitting(failed: FailedCheck, c: float) -> list[Interpretation]:
    """The interpretations that fit the factor `c`: numbers of the layer first, then roots, then lengths."""
    return [m for m in _interpretations(failed) if abs(abs(c / m.factor) - 1) < FACTOR_TOLERANCE]


def _interpretations(failed: FailedCheck) -> Iterator[Interpretation]:
    for name, number in _static_numbers(failed):
        yield Interpretation(f"{name}, too often", number, f"{name} is there once too often.", name)
        yield Interpretation(f"{name}, left out", 1 / number, f"{name} is left out.", f"1 / {name}")
    for number, name in KNOWN_CONSTANTS.items():
        yield from _with_inverse(name, float(number), f"that is {name}.", name)
    for where, n in failed.lengths():
        text = f"that is the root of {n}, {where}."
        yield from _with_inverse(f"root, {where}", float(np.sqrt(n)), text, f"root of {n}")
        what = f"{n} is {where}; mean and sum confused, or"
        yield Interpretation(where, float(n), f"{what} counted once too often?", f"{n}")
        yield Interpretation(f"1 / {where}", 1 / n, f"{what} divided by it twice?", f"1 / {n}")
        less = f"that is {n} / {n - 1}, and {n} is {where}: divided by n or by n - 1?"
        yield from _with_inverse(f"n / (n - 1), {where}", n / (n - 1), less, f"{n} / {n - 1}")


def _with_inverse(name: str, factor: float, text: str, formula: str) -> Iterator[Interpretation]:
    """A number and its inverse."""
    yield Interpretation(name, factor, text, formula)
    yield Interpretation(f"1 / {name}", 1 / factor, text, f"1 / {formula}")


def _static_numbers(failed: FailedCheck) -> Iterator[tuple[str, float]]:
    """The static numbers of the layer, their squares and complements."""
    for name, number in static_numbers(failed.outputs):
        yield name, number
        yield f"{name} squared", number**2
        if 0 < number < 1:
            yield f"1 - {name}", 1 - number
