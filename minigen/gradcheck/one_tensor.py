"""One tensor at one order: measure along all probes, judge, and plant errors to see whether they would be noticed.

Imports: the files beside it. Read next: ``failure.py`` for what is done when the check fails, ``check.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.gradcheck.double import in_double
from minigen.gradcheck.numeric import Slope, measure, norms
from minigen.gradcheck.planted import planted_errors
from minigen.gradcheck.probes import Directions, Elements
from minigen.gradcheck.report import Mutation, Row, Verdict
from minigen.gradcheck.sides import Sides, index_of
from minigen.gradcheck.verdict import SAFETY, Evidence
from minigen_kernels import Array


class OneTensor:
    """The check of variable `i`; `verdict` is ready after construction.

    `unnoticed`: kinds of planted errors that would have passed. `rough`: the function jitters as if it were computed in
    float32. `recorded`: only the gradient under create_graph is wrong.
    """

    def __init__(self, sides: Sides, i: int, probes: Elements | Directions) -> None:
        self.sides, self.i, self.probes = sides, i, probes
        self.name, self.x = sides.variables[i].name, np.asarray(sides.variables[i].tensor.numpy(), np.float64)
        self.gradients = sides.gradients[i]
        self.rough = self.recorded = False
        self.unnoticed: list[str] = []
        self.largest = np.abs(probes.project(self.gradients)).max(1, initial=0.0)
        slopes = [self.slope(probes.direction(j)) for j in range(probes.count)]
        self.evidence = self.evidence_of(probes.project(self.gradients), slopes)
        if self.evidence.judge() not in ("OK", "VACUOUS"):
            self._allow_for_residue()
        if isinstance(probes, Elements):
            self._look_closer(probes)
        self.verdict: Verdict = self.evidence.judge()
        if self.verdict in ("WRONG", "KINK") and sides.settings.dtype == "float32" and self._right_in_double():
            self.verdict = "PRECISION"
        if self.verdict in ("WRONG", "KINK") and sides.strained:
            self.verdict = "PRECISION"
        if self.verdict == "OK":
            self._plant_errors()
        if self.verdict in ("OK", "VACUOUS") and sides.recorded is not None:
            self._check_recorded(sides.recorded[i])
        if self.verdict in ("OK", "PRECISION") and sides.settings.dtype == "float64":
            # Each element by its own size, so that a small one does not cross a kink close to it.
            through_all = Directions(self.x, 1, sides.rng, least=0.0).direction(0)
            self.rough = self.roughness(through_all) > 1
            self.verdict = "PRECISION" if self.rough else self.verdict

    def _allow_for_residue(self) -> None:
        """What rounding leaves of an analytic zero is no mistake: measured, and limited by what can explain it."""
        self.evidence.rounding = self.evidence.rounding + self._residue()

    def _residue(self) -> Array:
        sides = self.sides
        most = 50 * norms(sides.weights * sides.on_the_way)[:, None]
        return np.minimum(10 * self.probes.spread(sides.residue[self.i]), most)

    def differs(self, gradient: Array) -> float:
        """By how much a gradient (size,) for the last cotangent is not the one that has passed; 0.0 if it is.

        Relative to the largest number of it. The tolerance is that of the comparison with the numeric side.
        """
        off = np.abs(self.probes.project((gradient - self.gradients[-1])[None])[0])
        tolerance = self.evidence.tolerance(self.evidence.analytic)[-1]
        if (off <= tolerance).all() or (off <= tolerance + self._residue()[-1]).all():
            return 0.0
        far = float(np.abs(gradient - self.gradients[-1]).max())
        return far / (float(np.abs(self.gradients[-1]).max()) or 1.0)

    def _look_closer(self, probes: Elements) -> None:
        """Elements that are small beside the others were moved too far, perhaps: again, by their own size, or by 1.

        Such a second look excuses a difference only if it is fine enough to see it, and does not.
        """
        e = self.evidence
        for j in np.flatnonzero(((e.excess(e.analytic) > 1) | e.kinks()).any(0)):
            unit, own = probes.unit[j], abs(self.x.flat[j])
            for size in sorted({s for s in (own, min(unit, 1.0), min(unit, 1.0) * 1e-3) if 0 < s < 0.9 * unit}):
                scale = unit / size
                slope = self.slope(probes.direction(int(j)) / scale)
                closer = self.evidence_of((self.gradients[:, j] * size)[:, None], [slope])
                closer.rounding = np.zeros((1, 1))  # that of the other elements, which are not moved
                off = np.abs(e.analytic[:, j] - e.numeric[:, j])
                blurred = closer.tolerance(closer.analytic)[:, 0] * scale > 0.9 * off
                fine = ~blurred | (e.excess(e.analytic)[:, j] <= 1) | np.isnan(off)
                if closer.agrees(closer.analytic) and not closer.kinks().any() and fine.all():
                    for name in ("numeric", "error", "coarse"):
                        getattr(e, name)[:, j] = getattr(closer, name)[:, 0] * scale
                    e.jump[:, j] = 0.0
                    break
            else:  # this one is wrong, whatever there is to say about the others
                return

    def _right_in_double(self) -> bool:
        """Are the gradients that float32 calls wrong those of the function in float64? Then float32 is too coarse."""
        e = self.evidence
        largest = 1e-3 * np.abs(self.gradients).max(1, initial=0.0)
        suspects = np.flatnonzero((e.wrong() | e.kinks()).any(0))
        f = in_double(self.sides, self.i)
        if f is None:
            return False
        for j in suspects:
            d = self.probes.direction(int(j))
            analytic = self.gradients @ d
            slope = measure(f(d), f(d)(0.0), self.sides.weights, 1e-15, lambda slope: False)
            off = np.abs(slope.value - analytic)
            size = np.maximum(np.abs(analytic), largest * np.abs(d).max())
            if not (off <= self.sides.settings.rtol * size + SAFETY * slope.error).all() or (slope.error > size).any():
                return False
        return True

    def _plant_errors(self) -> None:
        """The comparison that the gradient has passed has to reject every error that is planted in it."""
        # A derivative that is small beside the function (1e-5 of it in float64) may be known to less than 1 %.
        factor = 1.01 if (self.largest > self.sides.steps.clear * self.sides.rounding).any() else 2.0
        alone = isinstance(self.probes, Elements)
        for kind, spoilt in planted_errors(self.gradients, self.x.shape, Elements(self.x).unit, factor, alone):
            rejected = not self.evidence.agrees(self.probes.project(spoilt))
            if not rejected:
                self.unnoticed.append(kind)
                self.verdict = "PRECISION"
            if self.sides.settings.self_test:
                self.sides.report.mutations.append(Mutation(self.sides.order, self.name, kind, rejected))

    def slope(self, d: Array) -> Slope:
        """The numeric derivative along `d`, measured until it is precise and, if it can be, agrees."""
        sides, rtol = self.sides, self.sides.settings.rtol
        analytic = self.gradients @ d
        wanted = 0.1 * rtol * np.maximum(np.abs(analytic), 1e-2 * self.largest)

        def accept(slope: Slope) -> bool:
            if not (slope.error <= wanted).all():
                return False
            evidence = self.evidence_of(analytic[:, None], [slope])
            return evidence.agrees(evidence.analytic)

        return measure(sides.line(self.i, d), sides.y0, sides.weights, sides.atol, accept, sides.steps)

    def evidence_of(self, analytic: Array, slopes: list[Slope]) -> Evidence:
        value, error, jump, coarse = (
            np.array([getattr(slope, name) for slope in slopes]).reshape(-1, len(self.sides.weights)).T
            for name in ("value", "error", "jump", "coarse")
        )
        return Evidence(analytic, value, error, jump, coarse, self.sides.rounding[:, None], self.sides.settings.rtol)

    def _check_recorded(self, recorded: Array) -> None:
        """The gradient that the next order differentiates against the numbers that the plain one has passed."""
        analytic = self.probes.project(recorded)
        if not self.evidence.agrees(analytic):
            self.verdict, self.recorded, self.gradients = "WRONG", True, recorded
            self.evidence.analytic = analytic

    def roughness(self, d: Array) -> float:
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
            max_rel_error=np.nan if self.verdict == "VACUOUS" else float(relative),
            resolution=np.nan if self.verdict == "VACUOUS" else e.resolution(),
            worst_index=index_of(int(excess.max(0).argmax()), self.x.shape) if single else None,
            verdict=self.verdict,
        )
