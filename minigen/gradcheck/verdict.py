"""The verdict on one tensor: both sides agree, or they do not; and would the check have noticed if they did not?

All numbers here are derivatives along probes (single elements, or random directions), for K cotangents: arrays (K, P).

Imports: NumPy. Read next: ``report.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from minigen.gradcheck.report import Verdict
from minigen_kernels import Array

SAFETY = 10.0  # how many times its own estimate of its error the numeric side may be off


@dataclass
class Evidence:
    """Both sides for one tensor. `rounding` (K, 1): what cancellation may leave of an analytic zero."""

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
        """Where do the sides differ, but agree from afar? The function is a staircase, as if rounded to few digits."""
        nearer = np.abs(self.analytic - self.coarse) < 0.1 * np.abs(self.analytic - self.numeric)
        return (self.excess(self.analytic) > 1) & nearer & ~self.kinks()

    def wrong(self) -> Array:
        """Where do the sides differ, without a kink or a staircase to blame?"""
        return (self.excess(self.analytic) > 1) & ~self.kinks() & ~self.unclear()

    def is_zero(self) -> bool:
        """Is there nothing but noise on both sides?"""
        noise = SAFETY * self.error + self.rounding
        quiet = noise <= 1e8 * self.rounding  # else a derivative may be lost in the noise
        return bool(np.all(quiet & (np.abs(self.analytic) <= noise) & (np.abs(self.numeric) <= noise)))

    def resolution(self) -> float:
        """The smallest relative error that would be seen, in the number that is known best."""
        relative = self.tolerance(self.analytic) / np.abs(self.numeric)
        return float(np.min(relative, initial=np.inf, where=np.isfinite(relative)))

    def judge(self, spoilt: Iterable[Array]) -> Verdict:
        """The verdict. `spoilt`: wrong analytic sides, each of which has to fail."""
        if self.wrong().any():
            return "WRONG"
        if self.kinks().any():
            return "KINK"
        if self.unclear().any():
            return "PRECISION"
        if self.is_zero():
            return "zero"
        return "PRECISION" if any(self.agrees(a) for a in spoilt) else "right"


def spoilt_gradients(gradients: Array, factor: float) -> Iterator[Array]:
    """Planted errors for gradients (K, size): a factor, the sign, all zero, every element one place further."""
    yield gradients * factor
    yield -gradients
    yield gradients * 0.0
    shifted = np.roll(gradients, 1, axis=1)
    if np.abs(shifted - gradients).max(initial=0) > 0.01 * np.abs(gradients).max(initial=0):  # not a constant
        yield shifted


def explain(analytic: Array, numeric: Array, lengths: set[int], shape: tuple[int, ...] | None) -> str:
    """What a mismatch looks like, in words. `lengths`: of the axes at hand; `shape`: if all elements were compared."""
    if not np.isfinite(analytic).all():
        return "The analytic gradient holds NaN or Inf: does its formula divide by zero, or take a log of zero?"
    if not analytic.any():
        return (
            "The analytic gradient is zero: does backward return None, or was the graph cut (.detach(), Tensor(array), "
            "no_grad)?"
        )
    weight = np.where(np.isfinite(numeric), numeric, 0.0)
    if weight.any():
        c = float((analytic * weight).sum() / (weight * weight).sum())
        if abs(c - 1) > 1e-4 and np.abs(analytic - c * weight).max() <= 1e-4 * np.abs(analytic).max():
            return _explain_factor(c, lengths)
    if shape is not None:
        a, n = analytic.reshape(-1, *shape), weight.reshape(-1, *shape)
        for name, b in _rearranged(a):
            if np.abs(b - n).max() <= 1e-4 * np.abs(n).max():
                return f"The analytic gradient is right but for the order of its elements: {name}."
    return ""


def _explain_factor(c: float, lengths: set[int]) -> str:
    inverse = abs(c) < 1
    size = 1 / c if inverse else c
    text = f"Analytic = {f'numeric / {size:.6g}' if inverse else f'{size:.6g} * numeric'} everywhere: "
    if abs(size + 1) < 1e-4:
        return "Analytic = -numeric everywhere: a sign is turned."
    if abs(size - round(size)) < 1e-3 and round(size) in lengths - {1}:
        return text + f"{round(size)} is also a length here; mean and sum confused, or counted once too often?"
    return text + ("a factor is missing." if inverse else "a factor too much.")


def _rearranged(a: Array) -> Iterator[tuple[str, Array]]:
    """(K, *shape) with two axes exchanged, or some reversed."""
    axes = range(1, a.ndim)
    for i, j in itertools.combinations(axes, 2):
        if a.shape[i] == a.shape[j]:
            yield f"axes {i - 1} and {j - 1} are exchanged (a transpose missing?)", a.swapaxes(i, j)
    for n in (1, 2):
        for some in itertools.combinations(axes, n):
            yield f"reversed along {' and '.join(f'axis {i - 1}' for i in some)} (a flip missing?)", np.flip(a, some)
