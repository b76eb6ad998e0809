"""Is it a straight-through estimator: a function that is flat, with the gradient of another one?

Imports: the files of the checker. Read next: ``detached.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.report import Explanation
from minigen.gradcheck.surrogate import Surrogate
from minigen.gradcheck.verdict import SAFETY

MEANT = "If that is meant, check it against the function whose gradient it shall have (--derivative-of): derivative_of="


def straight_through(case: Case) -> Iterator[Explanation]:
    """The function is flat wherever it has a derivative, and the gradient is gy, or at least not zero."""
    e, usable = case.evidence, case.usable
    flat = (np.abs(e.numeric) <= SAFETY * e.error + e.rounding)[usable]
    if case.sides.order == 1 and flat.size and flat.all() and not isinstance(case.sides.problem, Surrogate):
        found = list(identity(case))
        yield from found
        if not found:
            yield Explanation("straight-through", "The function is flat wherever it has a derivative, and its gradient "
                              f"is not zero: that of another function, a surrogate? {MEANT}my_function.")  # fmt: skip


def identity(case: Case) -> Iterator[Explanation]:
    """The gradient is gy itself, everywhere or within bounds."""
    gy = case.sides.weights
    if case.sides.order > 1 or gy.shape != case.analytic.shape or isinstance(case.sides.problem, Surrogate):
        return
    same = np.abs(case.analytic - gy) <= 1e-9 * np.abs(gy)
    passed = same.all(0)
    if passed.all():
        yield Explanation("straight-through", "The gradient is that of the identity, gy itself: straight-through? "
                          f"{MEANT}lambda x: x.")  # fmt: skip
    elif passed.any() and not case.analytic[:, ~passed].any():
        x = np.abs(case.x.ravel())
        if x[passed].max() <= x[~passed].min():
            yield Explanation("straight-through", f"The gradient is gy where {case.name} lies between -c and c, with c "
                              f"from {x[passed].max():.4g} to {x[~passed].min():.4g}, and 0 elsewhere: a clipped "
                              f"straight-through? {MEANT}lambda x: ops.clip(x, -c, c).")  # fmt: skip
