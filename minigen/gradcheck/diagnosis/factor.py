"""Is the gradient right but for a factor? -1, a length that turns a sum into a mean, 2, 1/2, a number of the layer.

Imports: the files of the checker. Read next: ``order.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.graph import numbers_of
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

CONSTANTS = {np.pi: "pi", 2 * np.pi: "2 pi", np.sqrt(2 * np.pi): "the root of 2 pi", np.sqrt(2): "the root of 2",
             np.log(2): "ln 2", np.log(10): "ln 10", np.e: "e", 180 / np.pi: "180 / pi"}  # fmt: skip


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
    return Explanation("factor", text + _meaning(case, size, inverse))


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
    for number in [*CONSTANTS, *(x for _, x in _own_numbers(case)), *(np.sqrt(n) for n in case.lengths()),
                   *(n / (n - 1) for n in case.lengths())]:  # fmt: skip
        yield float(number)
        yield -float(number)


def _meaning(case: Case, size: float, inverse: bool) -> str:
    lengths = case.lengths()
    if abs(size - round(size)) < 1e-3 and abs(round(size)) in lengths:
        n = abs(round(size))
        turned = " And the sign is turned." if size < 0 else ""
        return (
            f"{n} is {lengths[n]}; mean and sum confused, or "
            f"{'divided by it twice' if inverse else 'counted once too often'}?{turned}"
        )
    unknown = "a factor is missing." if inverse else "a factor too much."
    if abs(size - round(size)) < 1e-5 and abs(size) < 10:
        return unknown
    c = 1 / size if inverse else size
    for name, number in _own_numbers(case):
        if abs(c / number - 1) < 1e-5:
            return f"{name} is there once too often."
        if abs(c * number - 1) < 1e-5:
            return f"{name} is left out."
    for n, where in lengths.items():
        if abs(abs(size) * (n - 1) / n - 1) < 1e-5:
            return f"that is {n} / {n - 1}, and {n} is {where}: divided by n or by n - 1?"
        if abs(abs(size) / np.sqrt(n) - 1) < 1e-5:
            return f"that is the root of {n}, {where}."
    for constant, name in CONSTANTS.items():
        if abs(abs(size) / constant - 1) < 1e-5:
            return f"that is {name}."
    return unknown


def _own_numbers(case: Case) -> Iterator[tuple[str, float]]:
    """Numbers that the layer holds, and what is easily made of them."""
    for name, number in numbers_of(case.outputs):
        yield name, number
        yield f"{name} squared", number**2
        if 0 < number < 1:
            yield f"1 - {name}", 1 - number
