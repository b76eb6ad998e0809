"""Is it the gradient of another tensor? backward returns a tuple, whose order is easily mistaken.

Imports: the files of the checker. Read next: ``cotangent.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Elements
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array


def other_input(case: Case) -> Iterator[Explanation]:
    """Analytic = the gradient of another tensor of as many elements."""
    for other in case.inspected:
        if other is case.one or other.x.size != case.x.size or case.x.size == 0:
            continue
        truth, tolerance = _truth(other)
        if truth is not None and case.independent > 1 and case.agree(case.analytic, truth, tolerance):
            far = np.abs(case.analytic - truth).max()
            both = case.accepts(other.gradients)
            yield Explanation(
                "other-input",
                f"It is the gradient in {other.name} (largest difference {far:.1g})"
                + (f", and that of {other.name} is the one in {case.name}: they are exchanged." if both else
                   ": has backward returned the gradients in the wrong order?"),
            )  # fmt: skip
            return


def _truth(other: OneTensor) -> tuple[Array | None, Array]:
    """The right gradient of another tensor, as far as it is known, and to what tolerance."""
    if isinstance(other.probes, Elements):
        e, unit = other.evidence, other.probes.unit
        return e.numeric / unit, e.tolerance(e.numeric) / unit
    if other.verdict == "OK":
        return other.gradients, other.sides.settings.rtol * np.abs(other.gradients)
    return None, np.zeros(0)
