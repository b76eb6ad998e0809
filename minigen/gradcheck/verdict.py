"""The verdict on one tensor: both sides agree, or they do not, or nobody can tell.

All numbers here are derivatives along probes (single elements, or random directions), for K cotangents: arrays (K, P).

Imports: NumPy. Read next: ``planted.py``, ``report.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigen.gradcheck.report import Verdict
from minigen_kernels import Array

SAFETY = 10.0  # how many times its own estimate of its error the numeric side may be off


@dataclass
class Evidence:
    """Both sides for one tensor. `rounding` (K, 1) or (K, P): what cancellation may leave of an analytic zero."""

    analytic: Array
    numeric: Array
    error: Array
    jump: Array
    coarse: Array
    rounding: Array
    rtol: float

    def tolerance(self, analytic: Array) -> Array:
        """How far apart the sides may be: a small part of the number, and what the numeric side does not know."""
        largest = np.maximum(np.abs(analytic), np.abs(self.numeric))
        return self.rtol * largest + SAFETY * self.error + self.rounding

    def excess(self, analytic: Array) -> Array:
        """The difference in units of the tolerance: above 1 is a mismatch. NaN on either side is an infinite one."""
        off = np.abs(analytic - self.numeric) / self.tolerance(analytic)
        same = analytic == self.numeric  # 0 / 0
        return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))

    def agrees(self, analytic: Array) -> bool:
        """Is every number within its tolerance?"""
        return bool(np.all(self.excess(analytic) <= 1))

    def kinks(self) -> Array:
        """Where is there a kink: slopes on both sides differ, by much or by what explains the difference."""
        clear = self.jump > 1e-4 * (np.abs(self.numeric) + self.jump)
        explains = (self.excess(self.analytic) > 1) & (self.jump >= 0.5 * np.abs(self.analytic - self.numeric))
        return np.isinf(self.jump) | ((self.jump > 0) & (clear | explains))

    def unclear(self) -> Array:
        """Where do the sides differ, but agree from afar? The function is a staircase, as if rounded to few digits.

        Or has the numeric side nothing to say: the function overflows wherever it was asked.
        """
        nearer = np.abs(self.analytic - self.coarse) < 0.1 * np.abs(self.analytic - self.numeric)
        silent = np.isnan(self.numeric) & np.isfinite(self.analytic)
        return (self.excess(self.analytic) > 1) & (nearer | silent) & ~self.kinks()

    def wrong(self) -> Array:
        """Where do the sides differ, without a kink or a staircase to blame?

        A derivative that is next to nothing beside those of a staircase may lie on one of its steps even from afar.
        """
        unclear, off = self.unclear(), np.abs(self.analytic - self.numeric)
        step = 1e-3 * np.where(unclear, off, 0.0).max(1, initial=0.0, keepdims=True)
        return (self.excess(self.analytic) > 1) & ~self.kinks() & ~unclear & ~(off < step)

    def is_zero(self) -> bool:
        """Is there nothing but noise on both sides?"""
        noise = SAFETY * self.error + self.rounding
        quiet = noise <= 1e8 * self.rounding  # else a derivative may be lost in the noise
        return bool(np.all(quiet & (np.abs(self.analytic) <= noise) & (np.abs(self.numeric) <= noise)))

    def resolution(self) -> float:
        """The smallest relative error that would be seen, in the number that is known best."""
        relative = self.tolerance(self.analytic) / np.abs(self.numeric)
        return float(np.min(relative, initial=np.inf, where=np.isfinite(relative)))

    def judge(self) -> Verdict:
        """The verdict, as far as the two sides tell."""
        if self.wrong().any():
            return "WRONG"
        if self.kinks().any():
            return "KINK"
        if self.unclear().any():
            return "PRECISION"
        return "VACUOUS" if self.is_zero() else "OK"
