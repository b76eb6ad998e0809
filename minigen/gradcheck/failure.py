"""The report of a failed check: the worst element, both numbers there, and the evidence.

Imports: the files beside it. Read next: ``diagnosis/__init__.py``, which explains the wrong numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigen.gradcheck.comparison import Comparison
from minigen.gradcheck.diagnosis import explain
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.directions import Coordinates, locate
from minigen.gradcheck.linearization import Linearization, index_of
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.tensor_check import TensorCheck
from minigen_kernels import Array

LADDER = tuple(10.0 ** -(n / 2) for n in range(1, 20))  # from 0.3 down to 3e-10, two in a decade


def worst_failure(checks: Sequence[TensorCheck]) -> GradientMismatch | None:
    """The most severe failure among the tensors of one order, if any has failed: the one that can be explained best."""
    for verdict in ("WRONG", "KINK", "PRECISION"):
        failed = [check for check in checks if check.verdict == verdict]
        if failed and verdict == "WRONG":
            explained = ((check, explain(FailedCheck(check, checks))) for check in failed[:4])
            check, explanations = next((pair for pair in explained if pair[1]), (failed[0], []))
            return Failure(check, explanations).mismatch(_others(check, checks))
        if failed:
            return Failure(failed[0], []).mismatch(_others(failed[0], checks))
    return None


def vacuous_failure(lin: Linearization) -> GradientMismatch:
    """All derivatives are zero: nothing was tested."""
    failure = lin.mismatch(
        "VACUOUS",
        ", ".join(v.name for v in lin.variables),
        "Every derivative is zero to within rounding, so any multiple of the gradient would pass too.",
    )
    failure.advice = (
        "Check the function before it is summed (softmax and batch norm sum to a constant), move the point to "
        "where it is not flat, or say allow_zero=True if it is meant to be constant."
    )
    return failure


def _others(failed: TensorCheck, checks: Sequence[TensorCheck]) -> str:
    """A sentence on the verdicts of the other tensors."""
    parts = []
    for title, good in (("Also not passed", False), ("Passed", True)):
        names = [c.name for c in checks if c is not failed and (c.verdict in ("OK", "VACUOUS")) is good]
        if names:
            parts.append(f"{title}: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}.")
    return " ".join(parts)


class Failure:
    """The text and numbers for a tensor that has failed."""

    def __init__(self, check: TensorCheck, explanations: list[Explanation]) -> None:
        self.check, self.explanations, self.lin = check, explanations, check.lin
        self.verdict, self.comparison, self.directions = check.verdict, check.comparison, check.directions

    def mismatch(self, others: str) -> GradientMismatch:
        """The exception. `others`: a sentence on the other tensors."""
        j = int(np.argmax(self._severity(self.comparison).max(0)))
        x, single = self.check.x, isinstance(self.directions, Coordinates)
        if single:
            place = self._roughest() if self.check.rough else j
        else:
            place = locate(self.directions.direction(j), self._severity_along)
        element = Coordinates(x).direction(place)
        at_place = self._along(element)
        is_spread = self.verdict == "WRONG" and not at_place.wrong().any()  # over many elements
        shown, scale = (self.comparison, 1.0) if is_spread else (at_place, Coordinates(x).scales[place])
        column = j if is_spread else 0
        guilty = shown.wrong() if self.verdict == "WRONG" else self._severity(shown)
        k = int(np.argmax(guilty[:, column]))  # of several wrong ones the first, which is a scalar's own derivative
        analytic, numeric, error = (float(a[k, column] / scale) for a in (shown.analytic, shown.numeric, shown.error))
        text = self._text()
        if is_spread:
            text += " The numbers are those along a direction: the difference is spread over many elements."
        return GradientMismatch(
            self.verdict,
            self.check.name,
            index_of(place, x.shape),
            self.lin.order,
            numbers=(analytic, numeric, error),
            text=f"{text} {others}".strip(),
            report=self.lin.report,
            advice=self._advice(),
            explanations=self.explanations,
            maps=self._maps(k) if single else None,
            ladder=self._ladder(self.directions.direction(j) if is_spread else element, k, float(scale)),
        )

    def _along(self, d: Array) -> Comparison:
        return self.check.compare((self.check.gradients @ d)[:, None], self.check.derivative_along(d))

    def _severity_along(self, d: Array) -> float:
        return self.check.roughness(d) if self.check.rough else float(self._severity(self._along(d)).max())

    def _severity(self, e: Comparison) -> Array:
        """How much each number contributes to the verdict."""
        if self.verdict == "WRONG":
            return np.where(e.kinks(), 0.0, e.excess(e.analytic))
        if self.verdict == "KINK":
            return np.where(e.kinks(), e.jump, 0.0)
        return np.where(e.imprecise(), np.inf, e.error)

    def _roughest(self) -> int:
        """Of the 32 elements with the largest derivatives, the one along which the function has the most rounding."""
        largest = np.argsort(-np.abs(self.comparison.analytic).max(0))[:32]
        return int(max(largest, key=lambda j: self.check.roughness(self.directions.direction(int(j)))))

    def _maps(self, k: int) -> tuple[Array, Array, Array]:
        """Both gradients, and the error of the numeric one, in the shape of the tensor."""
        e = self.comparison
        analytic, numeric, error = ((a[k] / self.directions.scales).reshape(self.check.x.shape)
                                    for a in (e.analytic, e.numeric, e.error))  # fmt: skip
        return analytic, numeric, error

    def _ladder(self, d: Array, k: int, scale: float) -> list[tuple[float, float, float]]:
        """Of every step along `d`: the step, the central difference, and its distance from the analytic derivative."""
        f, w = self.lin.line(self.check.i, d), self.lin.weights[k]
        analytic = float(self.check.gradients[k] @ d) / scale
        slopes = [(t, float(w @ (f(t) - f(-t))) / (2 * t * scale)) for t in LADDER]
        return [(t, slope, abs(analytic - slope)) for t, slope in slopes]

    def _text(self) -> str:
        e = self.comparison
        if self.verdict == "WRONG":
            count = int(e.wrong().any(0).sum())
            return f"The derivative is not the function's, in {count} of {self.directions.text}."
        if self.verdict == "KINK":
            torn = np.isinf(e.jump).any()
            what = "jumps, or is not finite on both sides" if torn else "has different slopes on the left and the right"
            return f"The function {what}: there is no derivative to compare with."
        if self.lin.range_errors:
            limits = f"the range of {self.lin.settings.dtype}: {self.lin.range_errors}"
            return f"The sides differ, but numbers on the way to the gradient leave {limits}."
        if self.check.rough:
            return "At steps of 1e-7 the function jitters as if it were computed in float32."
        reason = f"a gradient off by {max(e.resolution(), 0.01):.1g} of itself would pass"
        if self.check.surviving_mutants:
            reason = f"an error planted on purpose was not noticed ({', '.join(self.check.surviving_mutants)})"
        return f"The numeric side is too rough: {reason}."

    def _advice(self) -> str:
        if self.verdict == "KINK":
            return "Move the point away from it: relu, abs, max, clip and pooling have kinks at zeros and ties."
        if self.verdict == "PRECISION":
            if self.lin.settings.dtype == "float32":
                return "Check in float64, or bring the function to a better scale at this point."
            at = f" ({self.lin.float32_at} gives float32)" if self.lin.float32_at else ""
            return f"Compute in float64 throughout{at}, or bring the function to a better scale at this point."
        return ""
