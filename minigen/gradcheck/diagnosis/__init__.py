"""Explanations of a wrong gradient. Each file here tries one kind of mistake; those that fit are reported.

Imports: the files of the checker. Read next: ``failed_check.py``, then ``elementary.py``.
"""

from __future__ import annotations

from minigen.gradcheck.diagnosis.cotangent import extra_sum, other_cotangent
from minigen.gradcheck.diagnosis.detached import detached
from minigen.gradcheck.diagnosis.elementary import identity_gradient, nan, nonlinear, straight_through, zero
from minigen.gradcheck.diagnosis.factor import factor
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.diagnosis.location import location
from minigen.gradcheck.diagnosis.missing_term import missing_term
from minigen.gradcheck.diagnosis.permutation import other_tensor, permuted
from minigen.gradcheck.diagnosis.recheck import single_sample
from minigen.gradcheck.report import Explanation

# Groups, simple explanations first. Of a group all that fit are reported; the first group with one ends the search.
GROUPS = ((nonlinear,), (straight_through,), (detached,), (factor,), (permuted, other_tensor), (other_cotangent,),
          (extra_sum,), (location, single_sample), (missing_term,), (identity_gradient,))  # fmt: skip
RECORDED = (
    "The gradient without create_graph is right, the one with it is not: `definition` states another function than "
    "`forward`, or backward depends on whether it is recorded."
)


def explain(failed: FailedCheck) -> list[Explanation]:
    """The explanations that fit, best first."""
    found = list(nan(failed))
    if found:
        return found
    found = list(zero(failed))
    if found:  # the cause of a zero: at order 1 the zero itself says enough, above that the cause comes first
        cause = list(detached(failed))
        return cause + found if failed.lin.order > 1 else found + cause
    if failed.check.recorded:
        return [Explanation("recorded", RECORDED), *factor(failed), *permuted(failed)]
    for group in GROUPS:
        found = [e for attempt in group for e in attempt(failed)]
        if found:
            break
    return found
