"""One tensor at one order: measure along all probes, judge, and if it fails find the element that is to blame.

Imports: the files beside it. Read next: ``check.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.gradcheck.numeric import Slope, measure
from minigen.gradcheck.probes import Directions, Elements, locate
from minigen.gradcheck.report import GradientMismatch, Row, Verdict
from minigen.gradcheck.sides import Sides, index_of
from minigen.gradcheck.verdict import Evidence, explain, spoilt_gradients
from minigen_kernels import Array


class OneTensor:
    """The check of variable `i`; `verdict` is ready after construction."""

    def __init__(self, sides: Sides, i: int, probes: Elements | Directions) -> None:
        self.sides, self.i, self.probes = sides, i, probes
        self.name, self.x = sides.variables[i].name, sides.variables[i].tensor.numpy()
        self.gradients = sides.gradients[i]
        self.rough = self.recorded = False
        self.largest = np.abs(probes.project(self.gradients)).max(1, initial=0.0)
        slopes = [self._slope(probes.direction(j)) for j in range(probes.count)]
        self.evidence = self._evidence(probes.project(self.gradients), slopes)
        # A derivative that is small beside the function (1e-5 of it) may be known to less than 1 %.
        factor = 1.01 if (self.largest > 1e9 * sides.rounding).any() else 2.0
        self.verdict: Verdict = self.evidence.judge(map(probes.project, spoilt_gradients(self.gradients, factor)))
        if self.verdict in ("right", "zero") and sides.recorded is not None:
            self._check_recorded(sides.recorded[i])
        if self.verdict in ("right", "PRECISION"):
            through_all = Directions(self.x, 1, sides.rng).direction(0)
            self.rough = self._roughness(through_all) > 1
            self.verdict = "PRECISION" if self.rough else self.verdict

    def _slope(self, d: Array) -> Slope:
        """The numeric derivative along `d`, measured until it is precise and, if it can be, agrees."""
        analytic = self.gradients @ d
        wanted = 0.1 * self.sides.rtol * np.maximum(np.abs(analytic), 1e-2 * self.largest)

        def accept(slope: Slope) -> bool:
            evidence = self._evidence(analytic[:, None], [slope])
            return bool((slope.error <= wanted).all()) and evidence.agrees(evidence.analytic)

        return measure(self.sides.line(self.i, d), self.sides.y0, self.sides.weights, self.sides.atol, accept)

    def _evidence(self, analytic: Array, slopes: list[Slope]) -> Evidence:
        value, error, jump, coarse = (
            np.array([getattr(slope, name) for slope in slopes]).reshape(-1, len(self.sides.weights)).T
            for name in ("value", "error", "jump", "coarse")
        )
        return Evidence(analytic, value, error, jump, coarse, self.sides.rounding[:, None], self.sides.rtol)

    def _check_recorded(self, recorded: Array) -> None:
        """The gradient that the next order differentiates against the numbers that the plain one has passed."""
        analytic = self.probes.project(recorded)
        if not self.evidence.agrees(analytic):
            self.verdict, self.recorded, self.gradients = "WRONG", True, recorded
            self.evidence.analytic = analytic

    def _roughness(self, d: Array) -> float:
        """How much the function jitters at tiny steps, in units of what float64 never does: float32 inside exceeds 1.

        Rounding to float32 leaves errors of 6e-8, to float64 of 1e-16. The line is drawn at 1e-9: a function may make
        its rounding 1e7 times larger. The least of three steps counts, so that one kink in between does no harm.
        """
        f, analytic = self.sides.line(self.i, d), self.gradients @ d
        unit = 1e-9 * np.maximum(self.sides.size, np.abs(analytic)) + self.sides.rounding
        least = np.inf
        for t in (1e-7, 5e-8, 2.5e-8):
            off = np.abs(self.sides.weights @ (f(t) - f(-t)) - 2 * t * analytic)
            least = min(least, float((off / unit).max()))
            if least <= 1:
                break
        return least

    def row(self) -> Row:
        """The row of the report."""
        e, unit = self.evidence, self.probes.unit
        excess = e.excess(e.analytic)
        difference = np.where(e.analytic == e.numeric, 0.0, np.abs(e.analytic - e.numeric) / unit)
        most = np.abs(e.numeric / unit).max(initial=0.0)
        relative = difference.max(initial=0.0) / most if most else 0.0
        single = isinstance(self.probes, Elements) and self.x.size > 0
        return Row(
            order=self.sides.order,
            name=self.name,
            shape=self.x.shape,
            compared=self.probes.text,
            cotangents=len(self.sides.weights),
            max_abs_error=float(difference.max(initial=0.0)),
            max_rel_error=np.nan if self.verdict == "zero" else float(relative),
            resolution=np.nan if self.verdict == "zero" else e.resolution(),
            worst_index=index_of(int(excess.max(0).argmax()), self.x.shape) if single else None,
            verdict=self.verdict,
        )

    # What follows runs only for a check that has failed.

    def failure(self, others: str) -> GradientMismatch:
        """The exception: the place, both numbers there, and what they look like. `others`: on the other tensors."""
        j = int(np.argmax(self._badness(self.evidence).max(0)))
        if isinstance(self.probes, Elements):
            place = self._roughest() if self.rough else j
        else:
            place = locate(self.probes.direction(j), self._badness_along)
        at_place = self._along(Elements(self.x).direction(place))
        spread = self.verdict == "WRONG" and not at_place.wrong().any()
        shown, unit = (self.evidence, 1.0) if spread else (at_place, Elements(self.x).unit[place])
        column = j if spread else 0
        guilty = shown.wrong() if self.verdict == "WRONG" else self._badness(shown)
        k = int(np.argmax(guilty[:, column]))  # of several wrong ones the first, which is a scalar's own derivative
        numbers = (shown.analytic[k, column] / unit, shown.numeric[k, column] / unit, shown.error[k, column] / unit)
        text = self._text()
        if spread:
            text += " The numbers are those along a direction: the difference is spread over many elements."
        return GradientMismatch(
            self.verdict,
            self.name,
            index_of(place, self.x.shape),
            self.sides.order,
            numbers=(float(numbers[0]), float(numbers[1]), float(numbers[2])),
            text=f"{text} {others}".strip(),
            hint=self._hint(),
            report=self.sides.report,
        )

    def _along(self, d: Array) -> Evidence:
        return self._evidence((self.gradients @ d)[:, None], [self._slope(d)])

    def _badness_along(self, d: Array) -> float:
        return self._roughness(d) if self.rough else float(self._badness(self._along(d)).max())

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
        return int(max(some, key=lambda j: self._roughness(self.probes.direction(int(j)))))

    def _text(self) -> str:
        e = self.evidence
        if self.verdict == "WRONG":
            return f"The derivative is not the function's, in {int(e.wrong().any(0).sum())} of {self.probes.text}."
        if self.verdict == "KINK":
            torn = np.isinf(e.jump).any()
            what = "jumps, or is not finite on both sides" if torn else "has different slopes on the left and the right"
            return f"The function {what}: there is no derivative to compare with."
        if self.rough:
            return "At steps of 1e-7 the function jitters as if it were computed in float32."
        return f"The numeric side is too rough: a gradient off by {max(e.resolution(), 0.01):.1g} of itself would pass."

    def _hint(self) -> str:
        if self.verdict == "KINK":
            return "Move the point away from it: relu, abs, max, clip and pooling have kinks at zeros and ties."
        if self.verdict == "PRECISION":
            at = f" ({self.sides.float32_at} gives float32)" if self.sides.float32_at else ""
            return f"Compute in float64 throughout{at}, or bring the function to a better scale at this point."
        if self.recorded:
            return (
                "The gradient without create_graph is right, the one with it is not: `definition` states another "
                "function than `forward`, or backward depends on whether it is recorded."
            )
        unit = self.probes.unit
        shape = self.x.shape if isinstance(self.probes, Elements) else None
        hint = explain(self.evidence.analytic / unit, self.evidence.numeric / unit, self.sides.lengths, shape)
        if self.sides.order > 1 and not hint.startswith("The analytic gradient holds"):
            hint += (
                f"{' ' if hint else ''}Order {self.sides.order - 1} is right, so a term of its derivative is missing: "
                "an array saved by forward is a constant to the engine. Compute it again from self.inputs or y."
            )
        return hint
