"""What does a wrong gradient look like? Each file here tries one explanation; only those that fit are told.

Imports: the files of the checker. Read next: ``case.py``, then ``plain.py``.
"""

from __future__ import annotations

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.diagnosis.cotangent import cotangent, extra_sum
from minigen.gradcheck.diagnosis.detached import detached
from minigen.gradcheck.diagnosis.elsewhere import batch_of_one
from minigen.gradcheck.diagnosis.factor import factor
from minigen.gradcheck.diagnosis.order import order
from minigen.gradcheck.diagnosis.other_input import other_input
from minigen.gradcheck.diagnosis.places import places
from minigen.gradcheck.diagnosis.plain import linear, nan, zero
from minigen.gradcheck.diagnosis.rest import rest
from minigen.gradcheck.diagnosis.straight_through import identity, straight_through
from minigen.gradcheck.report import Explanation

# Groups, simple explanations first. In each all that fit are told; the first group with one ends the search.
ATTEMPTS = ((linear,), (straight_through,), (detached,), (factor,), (order, other_input), (cotangent,), (extra_sum,),
            (places, batch_of_one), (rest,), (identity,))  # fmt: skip


def explain(case: Case) -> list[Explanation]:
    """The explanations that fit, best first."""
    found = list(nan(case))
    if found:
        return found
    found = list(zero(case))
    if found:  # the cause of a zero: at order 1 it is told by the zero itself, above that it is the news
        cause = list(detached(case))
        return cause + found if case.sides.order > 1 else found + cause
    if case.one.recorded:
        return [Explanation("recorded", RECORDED), *factor(case), *order(case)]
    for group in ATTEMPTS:
        found = [e for attempt in group for e in attempt(case)]
        if found:
            break
    return found


RECORDED = (
    "The gradient without create_graph is right, the one with it is not: `definition` states another function than "
    "`forward`, or backward depends on whether it is recorded."
)
