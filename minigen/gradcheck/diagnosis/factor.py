"""Is the gradient right but for a factor? -1, a length that turns a sum into a mean, 2, 1/2, a number of the layer.

Imports: the files of the checker. Read next: ``order.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.diagnosis.other_lengths import at_other_lengths
from minigen.gradcheck.graph import numbers_of
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

CONSTANTS = {np.pi: "pi", 2 * np.pi: "2 pi", np.sqrt(2 * np.pi): "the root of 2 pi", np.sqrt(2): "the root of 2",
             np.log(2): "ln 2", np.log(10): "ln 10", np.e: "e", 180 / np.pi: "180 / pi"}  # fmt: skip

CLOSE = 1e-5  # relative: a factor is found to more digits than that


def factor(case: Case) -> Iterator[Explanation]:
    """Analytic = c * numeric everywhere."""
    c = factor_between(case, case.analytic)
    if c is not None:
        yield factor_explanation(case, c)


def factor_explanation(case: Case, c: float) -> Explanation:
    """What there is to say about the factor `c`."""
    count = int(case.usable.sum())
    if c == -1:
        return Explanation("sign", f"Analytic = -numeric in all {count} numbers: a sign is turned.")
    inverse = abs(c) < 1
    size = 1 / c if inverse else c
    text = f"Analytic = {f'numeric / {size:.6g}' if inverse else f'{size:.6g} * numeric'} everywhere: "
    turned = " And the sign is turned." if size < 0 else ""
    return Explanation("factor", text + _meaning(case, c) + turned)


def factor_between(case: Case, gradients: Array) -> float | None:
    """The number c for which `gradients` / c (K, size) would have passed, if there is one other than 1."""
    e, projected = case.evidence, case.probes.project(gradients)
    weight = np.where(case.usable & np.isfinite(projected), 1 / np.maximum(e.tolerance(e.analytic), 1e-290), 0.0)
    weight /= max(weight.max(initial=0.0), 1e-290)
    a, n = projected * weight, np.where(case.usable, e.numeric, 0.0) * weight
    if not (n.any() and a.any()):
        return None
    c = float((a * n).sum() / (n * n).sum())
    if not np.isfinite(c) or c == 0:
        return None
    for nice in _nice_numbers(case, c):
        if nice != 1 and case.accepts(gradients / nice):
            return nice
    # A factor that means nothing is one free number: it has to fit more numbers than one.
    return c if case.independent > 1 and case.accepts(gradients / c) else None


def _nice_numbers(case: Case, c: float) -> Iterator[float]:
    """Numbers close to `c` that a mistake would give."""
    for size in (c, 1 / c):
        for nice in (round(size), round(size * 2) / 2, *_special(case)):
            if nice and abs(size / nice - 1) < 1e-2:
                yield nice if size == c else 1 / nice


def _special(case: Case) -> Iterator[float]:
    for meaning in _meanings(case):
        yield meaning.factor
        yield -meaning.factor


@dataclass(frozen=True)
class Meaning:
    """Something that a factor may be. `name` is the same at other lengths, where `factor` may be another number.

    Of several with the same `formula`, such as two axes of one length, only the first is told.
    """

    name: str
    factor: float
    text: str
    formula: str


def _meaning(case: Case, c: float) -> str:
    """All that the factor `c` may be; of several only those that it also is where the lengths are other ones."""
    fitting = _fitting(case, c)
    same_there = False

    def look(there: Case) -> bool:
        nonlocal fitting, same_there
        c_there = factor_between(there, there.analytic)
        if c_there is None:
            return False
        names = [meaning.name for meaning in _fitting(there, c_there)]
        fitting = [meaning for meaning in fitting if meaning.name in names]
        same_there = abs(c_there / c - 1) < CLOSE
        return True

    if len(fitting) > 1 or any(meaning.name in dict(case.lengths()) for meaning in fitting):
        if case.sides.order == 1:
            at_other_lengths(case, look)
    texts = list({meaning.formula: meaning.text for meaning in reversed(fitting)}.values())[::-1]
    if not texts:
        what = "a factor is missing" if abs(c) < 1 else "a factor too much"
        return f"{what}, and the same with axes of other lengths." if same_there else f"{what}."
    return " Or: ".join(texts)


def _fitting(case: Case, c: float) -> list[Meaning]:
    """The meanings of the factor `c`: numbers of the layer first, then roots, then lengths."""
    return [meaning for meaning in _meanings(case) if abs(abs(c) / abs(meaning.factor) - 1) < CLOSE]


def _meanings(case: Case) -> Iterator[Meaning]:
    for name, number in _own_numbers(case):
        yield Meaning(f"{name}, too often", number, f"{name} is there once too often.", name)
        yield Meaning(f"{name}, left out", 1 / number, f"{name} is left out.", f"1 / {name}")
    for number, name in CONSTANTS.items():
        yield from _both(name, float(number), f"that is {name}.", name)
    for where, n in case.lengths():
        yield from _both(f"root, {where}", float(np.sqrt(n)), f"that is the root of {n}, {where}.", f"root of {n}")
        what = f"{n} is {where}; mean and sum confused, or"
        yield Meaning(where, float(n), f"{what} counted once too often?", f"{n}")
        yield Meaning(f"1 / {where}", 1 / n, f"{what} divided by it twice?", f"1 / {n}")
        less = f"that is {n} / {n - 1}, and {n} is {where}: divided by n or by n - 1?"
        yield from _both(f"n / (n - 1), {where}", n / (n - 1), less, f"{n} / {n - 1}")


def _both(name: str, factor: float, text: str, formula: str) -> Iterator[Meaning]:
    """A number and its inverse."""
    yield Meaning(name, factor, text, formula)
    yield Meaning(f"1 / {name}", 1 / factor, text, f"1 / {formula}")


def _own_numbers(case: Case) -> Iterator[tuple[str, float]]:
    """Numbers that the layer holds, and what is easily made of them."""
    for name, number in numbers_of(case.outputs):
        yield name, number
        yield f"{name} squared", number**2
        if 0 < number < 1:
            yield f"1 - {name}", 1 - number
