"""Mistakes visible in the analytic gradient itself: NaN, zeros, None, nonlinear in gy, a straight-through estimator.

Imports: the files of the checker. Read next: ``factor.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.checked_function import SurrogateGradient
from minigen.gradcheck.comparison import SAFETY_FACTOR
from minigen.gradcheck.diagnosis.contract import returned_none
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.graph import depends_on
from minigen.gradcheck.linearization import index_of
from minigen.gradcheck.report import Explanation

SURROGATE_HINT = (
    "If that is meant, check it against the function whose gradient it shall have (--derivative-of): derivative_of="
)


def nan(failed: FailedCheck) -> Iterator[Explanation]:
    """The analytic gradient contains NaN or Inf."""
    bad = ~np.isfinite(failed.analytic)
    if bad.any():
        j = int(bad.any(0).argmax())
        where = f"{index_of(j, failed.shape)}, where {failed.name} is {failed.x.ravel()[j]:.6g}"
        many = f"{int(bad.any(0).sum())} of {failed.x.size} elements"
        yield Explanation("nan", f"The analytic gradient holds NaN or Inf in {many}, first at index {where}: does its "
                          "formula divide by zero, or take a log of zero?")  # fmt: skip


def zero(failed: FailedCheck) -> Iterator[Explanation]:
    """The analytic gradient is zero: because None was returned, or the graph was cut, or backward gives zeros."""
    if failed.analytic.any():
        return
    largest = np.abs(failed.comparison.numeric)[failed.usable].max(initial=0.0)
    text = f"The analytic gradient is zero, the numeric one up to {largest:.4g}"
    variable = failed.lin.variables[failed.check.i].tensor
    ys, gys = failed.outputs, failed.lin.cotangents[0]
    for name, i in returned_none(failed.lin.function, ys, gys, variable):
        yield Explanation("none", f"{text}: {name}.backward returns None for its input {i}, which the result does "
                          "depend on.")  # fmt: skip
        return
    cut = "(.detach(), Tensor(array), no_grad)"
    question = f"does backward give zeros, or was a part of the graph cut {cut}?"
    if not any(depends_on(y, variable) for y in ys):
        question = (
            f"no recorded operation leads from it to the output. Was the graph cut {cut}, or the input not used as "
        )
        question += "a Tensor?"
    yield Explanation("zero", f"{text}: {question}")


def nonlinear(failed: FailedCheck) -> Iterator[Explanation]:
    """The gradient is not linear in the cotangent gy: backward ignores it, adds to it, or clips it."""
    if failed.check.recorded or not failed.analytic.any():
        return
    lin, i = failed.lin, failed.check.i
    scaled = [[[Tensor(g.data * c) for g in gys] for gys in lin.cotangents] for c in (2.0, 0.0)]
    twice, nothing = (lin.vjp(failed.outputs, False, cotangents)[i] for cotangents in scaled)
    tolerance = 1e-9 * np.abs(failed.analytic).max()
    if np.abs(twice - 2 * failed.analytic).max() <= 2 * tolerance:
        return
    if np.abs(nothing - failed.analytic).max() <= tolerance:
        text = "backward ignores gy: the gradient is the same for every cotangent."
        gy = lin.weights[:, : failed.x.size]
        if failed.x.size == lin.y0.size and failed.accepts(failed.analytic * gy):
            text += " Multiplied by gy it is right."
        yield Explanation("upstream", text)
        return
    if nothing.any():
        j = int(np.abs(nothing[0]).argmax())
        yield Explanation("not-linear", "backward is not linear in gy: for gy = 0 it gives "
                          f"{nothing[0].flat[j]:.6g} at index {index_of(j, failed.shape)}, which ought to be 0. Is "
                          "something added that does not belong to gy?")  # fmt: skip
        return
    ratio = np.linalg.norm(twice) / np.linalg.norm(failed.analytic)
    yield Explanation("not-linear", f"backward is not linear in gy: twice the gy makes it {ratio:.4g} times as large. "
                      "Is it clipped, normalised, or multiplied by gy twice?")  # fmt: skip


def straight_through(failed: FailedCheck) -> Iterator[Explanation]:
    """The function is piecewise constant, and the gradient is gy, or at least not zero."""
    e = failed.comparison
    constant = (np.abs(e.numeric) <= SAFETY_FACTOR * e.error + e.rounding)[failed.usable]
    if _may_be_surrogate(failed) and constant.size and constant.all():
        found = list(identity_gradient(failed))
        yield from found
        if not found:
            text = "The function is flat wherever it has a derivative, and its gradient is not zero"
            question = f"that of another function, a surrogate? {SURROGATE_HINT}my_function."
            yield Explanation("straight-through", f"{text}: {question}")


def identity_gradient(failed: FailedCheck) -> Iterator[Explanation]:
    """The gradient is gy itself, everywhere or within bounds."""
    gy = failed.lin.weights
    if gy.shape != failed.analytic.shape or not _may_be_surrogate(failed):
        return
    passed = (np.abs(failed.analytic - gy) <= 1e-9 * np.abs(gy)).all(0)
    if passed.all():
        yield Explanation("straight-through", "The gradient is that of the identity, gy itself: straight-through? "
                          f"{SURROGATE_HINT}lambda x: x.")  # fmt: skip
    elif passed.any() and not failed.analytic[:, ~passed].any():
        x = np.abs(failed.x.ravel())
        if x[passed].max() <= x[~passed].min():
            yield Explanation("straight-through", f"The gradient is gy where {failed.name} lies between -c and c, with "
                              f"c from {x[passed].max():.4g} to {x[~passed].min():.4g}, and 0 elsewhere: a clipped "
                              f"straight-through? {SURROGATE_HINT}lambda x: ops.clip(x, -c, c).")  # fmt: skip


def _may_be_surrogate(failed: FailedCheck) -> bool:
    return failed.lin.order == 1 and not isinstance(failed.lin.function, SurrogateGradient)
