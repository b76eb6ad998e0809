"""What can be seen without comparing: NaN, zeros, None, and a backward that is not linear in the cotangent.

Imports: the files of the checker. Read next: ``factor.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.diagnosis.contract import returned_none
from minigen.gradcheck.graph import leads_from
from minigen.gradcheck.report import Explanation
from minigen.gradcheck.sides import index_of


def nan(case: Case) -> Iterator[Explanation]:
    """The analytic gradient holds NaN or Inf."""
    bad = ~np.isfinite(case.analytic)
    if bad.any():
        j = int(bad.any(0).argmax())
        where = f"{index_of(j, case.shape)}, where {case.name} is {case.x.ravel()[j]:.6g}"
        many = f"{int(bad.any(0).sum())} of {case.x.size} elements"
        yield Explanation("nan", f"The analytic gradient holds NaN or Inf in {many}, first at index {where}: does its "
                          "formula divide by zero, or take a log of zero?")  # fmt: skip


def zero(case: Case) -> Iterator[Explanation]:
    """The analytic gradient is zero: because None was returned, or the graph was cut, or backward gives zeros."""
    if case.analytic.any():
        return
    largest = np.abs(case.evidence.numeric)[case.usable].max(initial=0.0)
    text = f"The analytic gradient is zero, the numeric one up to {largest:.4g}"
    variable = case.sides.variables[case.one.i].tensor
    ys, gys = case.outputs, case.sides.cotangents[0]
    for name, i in returned_none(case.sides.problem, ys, gys, variable):
        yield Explanation("none", f"{text}: {name}.backward returns None for its input {i}, which the result does "
                          "depend on.")  # fmt: skip
        return
    if not any(leads_from(y, variable) for y in ys):
        yield Explanation("zero", f"{text}: no recorded operation leads from it to the output. Was the graph cut "
                          "(.detach(), Tensor(array), no_grad), or the input not used as a Tensor?")  # fmt: skip
    else:
        yield Explanation("zero", f"{text}: does backward give zeros, or was a part of the graph cut (.detach(), "
                          "Tensor(array), no_grad)?")  # fmt: skip


def linear(case: Case) -> Iterator[Explanation]:
    """Every backward is linear in the cotangent gy; one that is not forgot it, added to it, or clipped."""
    if case.one.recorded or not case.analytic.any():
        return
    sides, i = case.sides, case.one.i
    scaled = [[[Tensor(g.data * c) for g in gys] for gys in sides.cotangents] for c in (2.0, 0.0)]
    twice, nothing = (sides.pull_back(case.outputs, False, cotangents)[i] for cotangents in scaled)
    tolerance = 1e-9 * np.abs(case.analytic).max()
    if np.abs(twice - 2 * case.analytic).max() <= 2 * tolerance:
        return
    if np.abs(nothing - case.analytic).max() <= tolerance:
        text = "backward ignores gy: the gradient is the same for every cotangent."
        gy = sides.weights[:, : case.x.size]
        if case.x.size == sides.y0.size and case.accepts(case.analytic * gy):
            text += " Multiplied by gy it is right."
        yield Explanation("upstream", text)
        return
    if nothing.any():
        j = int(np.abs(nothing[0]).argmax())
        yield Explanation("not-linear", "backward is not linear in gy: for gy = 0 it gives "
                          f"{nothing[0].flat[j]:.6g} at index {index_of(j, case.shape)}, which ought to be 0. Is "
                          "something added that does not belong to gy?")  # fmt: skip
        return
    ratio = np.linalg.norm(twice) / np.linalg.norm(case.analytic)
    yield Explanation("not-linear", f"backward is not linear in gy: twice the gy makes it {ratio:.4g} times as large. "
                      "Is it clipped, normalised, or multiplied by gy twice?")  # fmt: skip
