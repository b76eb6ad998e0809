"""A check that has failed: the element that is to blame, both numbers there, and the evidence to look at.

Imports: the files beside it. Read next: ``diagnosis/__init__.py``, which says what the numbers look like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigen.gradcheck.diagnosis import explain
from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Elements, locate
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.sides import Sides, index_of
from minigen.gradcheck.verdict import Evidence
from minigen_kernels import Array

LADDER = tuple(10.0 ** -(n / 2) for n in range(1, 20))  # from 0.3 down to 3e-10, two in a decade


def worst(inspected: Sequence[OneTensor]) -> GradientMismatch | None:
    """The gravest failure among the tensors of one order, if any has failed: the one that can be explained best."""
    for verdict in ("WRONG", "KINK", "PRECISION"):
        failed = [one for one in inspected if one.verdict == verdict]
        if failed and verdict == "WRONG":
            explained = ((one, explain(Case(one, inspected))) for one in failed[:4])
            one, explanations = next((pair for pair in explained if pair[1]), (failed[0], []))
            return Failure(one, explanations).mismatch(_others(one, inspected))
        if failed:
            return Failure(failed[0], []).mismatch(_others(failed[0], inspected))
    return None


def vacuous(sides: Sides) -> GradientMismatch:
    """All is zero: nothing was tested."""
    failure = sides.mismatch(
        "VACUOUS",
        ", ".join(v.name for v in sides.variables),
        "Every derivative is zero to within rounding, so any multiple of the gradient would pass too.",
    )
    failure.advice = (
        "Check the function before it is summed (softmax and batch norm sum to a constant), move the point to "
        "where it is not flat, or say allow_zero=True if it is meant to be constant."
    )
    return failure


def _others(failed: OneTensor, inspected: Sequence[OneTensor]) -> str:
    """A sentence on what has been found about the other tensors."""
    parts = []
    for title, good in (("Also not passed", False), ("Passed", True)):
        names = [c.name for c in inspected if c is not failed and (c.verdict in ("OK", "VACUOUS")) is good]
        if names:
            parts.append(f"{title}: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}.")
    return " ".join(parts)


class Failure:
    """What there is to say about a tensor that has failed."""

    def __init__(self, one: OneTensor, explanations: list[Explanation]) -> None:
        self.one, self.explanations = one, explanations
        self.verdict, self.evidence, self.probes, self.sides = one.verdict, one.evidence, one.probes, one.sides

    def mismatch(self, others: str) -> GradientMismatch:
        """The exception. `others`: on the other tensors."""
        j = int(np.argmax(self._badness(self.evidence).max(0)))
        x, single = self.one.x, isinstance(self.probes, Elements)
        if single:
            place = self._roughest() if self.one.rough else j
        else:
            place = locate(self.probes.direction(j), self._badness_along)
        at_place = self._along(Elements(x).direction(place))
        spread = self.verdict == "WRONG" and not at_place.wrong().any()
        shown, unit = (self.evidence, 1.0) if spread else (at_place, Elements(x).unit[place])
        column = j if spread else 0
        guilty = shown.wrong() if self.verdict == "WRONG" else self._badness(shown)
        k = int(np.argmax(guilty[:, column]))  # of several wrong ones the first, which is a scalar's own derivative
        numbers = (shown.analytic[k, column] / unit, shown.numeric[k, column] / unit, shown.error[k, column] / unit)
        text = self._text()
        if spread:
            text += " The numbers are those along a direction: the difference is spread over many elements."
        direction = self.probes.direction(j) if spread else Elements(x).direction(place)
        return GradientMismatch(
            self.verdict,
            self.one.name,
            index_of(place, x.shape),
            self.sides.order,
            numbers=(float(numbers[0]), float(numbers[1]), float(numbers[2])),
            text=f"{text} {others}".strip(),
            report=self.sides.report,
            advice=self._advice(),
            explanations=self.explanations,
            maps=self._maps(k) if single else None,
            ladder=self._ladder(direction, k, float(unit)),
        )

    def _along(self, d: Array) -> Evidence:
        return self.one.evidence_of((self.one.gradients @ d)[:, None], [self.one.slope(d)])

    def _badness_along(self, d: Array) -> float:
        return self.one.roughness(d) if self.one.rough else float(self._badness(self._along(d)).max())

    def _badness(self, e: Evidence) -> Array:
        """How much each number has to do with the verdict."""
        if self.verdict == "WRONG":
            return np.where(e.kinks(), 0.0, e.excess(e.analytic))
        if self.verdict == "KINK":
            return np.where(e.kinks(), e.jump, 0.0)
        return np.where(e.unclear(), np.inf, e.error)

    def _roughest(self) -> int:
        """Of the 32 elements with the largest derivatives, the one along which the function jitters most."""
        some = np.argsort(-np.abs(self.evidence.analytic).max(0))[:32]
        return int(max(some, key=lambda j: self.one.roughness(self.probes.direction(int(j)))))

    def _maps(self, k: int) -> tuple[Array, Array, Array]:
        """Both sides, and the error of the numeric one, in the shape of the tensor."""
        e = self.evidence
        analytic, numeric, error = ((a[k] / self.probes.unit).reshape(self.one.x.shape)
                                    for a in (e.analytic, e.numeric, e.error))  # fmt: skip
        return analytic, numeric, error

    def _ladder(self, d: Array, k: int, unit: float) -> list[tuple[float, float, float]]:
        """The numeric slope along `d` with every step, and how far the analytic one is from it."""
        f, w = self.sides.line(self.one.i, d), self.sides.weights[k]
        analytic = float(self.one.gradients[k] @ d) / unit
        slopes = [(t, float(w @ (f(t) - f(-t))) / (2 * t * unit)) for t in LADDER]
        return [(t, slope, abs(analytic - slope)) for t, slope in slopes]

    def _text(self) -> str:
        e = self.evidence
        if self.verdict == "WRONG":
            return f"The derivative is not the function's, in {int(e.wrong().any(0).sum())} of {self.probes.text}."
        if self.verdict == "KINK":
            torn = np.isinf(e.jump).any()
            what = "jumps, or is not finite on both sides" if torn else "has different slopes on the left and the right"
            return f"The function {what}: there is no derivative to compare with."
        if self.sides.strained:
            room = f"the range of {self.sides.settings.dtype}: {self.sides.strained}"
            return f"The sides differ, but numbers on the way to the gradient leave {room}."
        if self.one.rough:
            return "At steps of 1e-7 the function jitters as if it were computed in float32."
        seen = f"a gradient off by {max(e.resolution(), 0.01):.1g} of itself would pass"
        if self.one.unnoticed:
            seen = f"an error planted on purpose was not noticed ({', '.join(self.one.unnoticed)})"
        return f"The numeric side is too rough: {seen}."

    def _advice(self) -> str:
        if self.verdict == "KINK":
            return "Move the point away from it: relu, abs, max, clip and pooling have kinks at zeros and ties."
        if self.verdict == "PRECISION":
            if self.sides.settings.dtype == "float32":
                return "Check in float64, or bring the function to a better scale at this point."
            at = f" ({self.sides.float32_at} gives float32)" if self.sides.float32_at else ""
            return f"Compute in float64 throughout{at}, or bring the function to a better scale at this point."
        return ""
