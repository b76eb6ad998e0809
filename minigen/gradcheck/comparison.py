"""Analytic and numeric derivatives of one tensor, compared: do they agree, do they differ, or is neither certain?

All numbers are derivatives along P directions (single elements, or random directions) for K cotangents: arrays (K, P).

Imports: NumPy. Read next: ``tensor_check.py``, ``report.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigen.gradcheck.numeric import DirectionalDerivative
from minigen.gradcheck.report import Verdict
from minigen_kernels import Array

SAFETY_FACTOR = 10.0  # the tolerated multiple of the estimated error of the numeric derivative


@dataclass
class Comparison:
    """Both derivatives of one tensor.

    `error`, `jump` and `coarse` are those of `DirectionalDerivative`. `rounding` (K, 1) or (K, P): a derivative that is
    exactly zero may come out as large as this, by cancellation.
    """

    analytic: Array
    numeric: Array
    error: Array
    jump: Array
    coarse: Array
    rounding: Array
    rtol: float

    @staticmethod
    def of(analytic: Array, slopes: Sequence[DirectionalDerivative], rounding: Array, rtol: float) -> Comparison:
        """`analytic` (K, P) against the numeric derivatives along P directions, each for K cotangents."""
        value, error, jump, coarse = (
            np.array([getattr(slope, name) for slope in slopes]).reshape(-1, len(analytic)).T
            for name in ("value", "error", "jump", "coarse")
        )
        return Comparison(analytic, value, error, jump, coarse, rounding, rtol)

    def tolerance(self, analytic: Array) -> Array:
        """The tolerated difference: `rtol` of the number, the error of the numeric one, the rounding of zeros."""
        largest = np.maximum(np.abs(analytic), np.abs(self.numeric))
        return self.rtol * largest + SAFETY_FACTOR * self.error + self.rounding

    def excess(self, analytic: Array) -> Array:
        """The difference in units of the tolerance: above 1 is a mismatch. NaN in either is an infinite one."""
        off = np.abs(analytic - self.numeric) / self.tolerance(analytic)
        same = analytic == self.numeric  # 0 / 0
        return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))

    def agrees(self, analytic: Array) -> bool:
        """Is every number within its tolerance?"""
        return bool(np.all(self.excess(analytic) <= 1))

    def kinks(self) -> Array:
        """Where the one-sided derivatives differ, clearly or by enough to explain the mismatch."""
        clear = self.jump > 1e-4 * (np.abs(self.numeric) + self.jump)
        explains = (self.excess(self.analytic) > 1) & (self.jump >= 0.5 * np.abs(self.analytic - self.numeric))
        return np.isinf(self.jump) | ((self.jump > 0) & (clear | explains))

    def imprecise(self) -> Array:
        """Where the two differ but agree at large steps: the function is a staircase, as if rounded to few digits.

        Also where there is no numeric derivative because the function overflows at every step.
        """
        nearer = np.abs(self.analytic - self.coarse) < 0.1 * np.abs(self.analytic - self.numeric)
        missing = np.isnan(self.numeric) & np.isfinite(self.analytic)
        return (self.excess(self.analytic) > 1) & (nearer | missing) & ~self.kinks()

    def wrong(self) -> Array:
        """Where the two differ, and neither a kink nor a staircase explains it.

        Beside the derivatives of a staircase, a very small one may be wrong at large steps too, so it does not count.
        """
        imprecise, off = self.imprecise(), np.abs(self.analytic - self.numeric)
        step = 1e-3 * np.where(imprecise, off, 0.0).max(1, initial=0.0, keepdims=True)
        return (self.excess(self.analytic) > 1) & ~self.kinks() & ~imprecise & ~(off < step)

    def is_zero(self) -> bool:
        """Are both zero to within rounding?"""
        noise = SAFETY_FACTOR * self.error + self.rounding
        known = noise <= 1e8 * self.rounding  # else the noise may hide a derivative
        return bool(np.all(known & (np.abs(self.analytic) <= noise) & (np.abs(self.numeric) <= noise)))

    def resolution(self) -> float:
        """The smallest relative error that would be noticed, in the number that is known best."""
        relative = self.tolerance(self.analytic) / np.abs(self.numeric)
        return float(np.min(relative, initial=np.inf, where=np.isfinite(relative)))

    def verdict(self) -> Verdict:
        """The verdict of the comparison alone."""
        if self.wrong().any():
            return "WRONG"
        if self.kinks().any():
            return "KINK"
        if self.imprecise().any():
            return "PRECISION"
        return "VACUOUS" if self.is_zero() else "OK"
