"""The numeric derivative with its own error: central differences on a ladder of steps, extrapolated to step zero.

Everything here is arrays: a function f of one number t (the place on a line through the point), K cotangents, and the
wish for d/dt of v.f(t) at t = 0. Steps are relative: t = 1 is a move as large as the numbers that are moved.

Imports: NumPy. Read next: ``problem.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array

EPS = float(np.finfo(np.float64).eps)

# A central difference errs by about t^2 (truncation) and EPS / t (rounding). The first two rungs serve nearly every
# smooth function. The others are climbed where these two disagree, where the analytic value is not met, or where the
# function seems to bend: larger ones against rounding, smaller ones to get away from a kink nearby.
FIRST_STEPS = (3e-4, 3e-5)
OTHER_STEPS = (3e-2, 3e-3, 3e-6, 3e-7, 3e-8, 3e-9)


@dataclass(frozen=True)
class Slope:
    """The derivative of v.f(t) at 0 for each of K cotangents.

    `value` (K,); `error` (K,): how far it may be off; `jump` (K,): by how much the slopes on the left and the right
    differ if they do so at every step (a kink), Inf if f itself jumps or is not finite on both sides, 0 if f is smooth;
    `coarse` (K,): what the larger steps say. It differs from `value` where f looks smooth only from a distance.
    """

    value: Array
    error: Array
    jump: Array
    coarse: Array


@dataclass(frozen=True, eq=False)
class _Rung:
    """What one step t tells: arrays (K,)."""

    t: float
    central: Array  # (v.f(t) - v.f(-t)) / 2t
    bend: Array  # right slope minus left slope
    moved: Array  # (m,) which elements of f are other ones at t than at -t

    def is_finite(self) -> bool:
        return bool(np.isfinite(self.central).all())


def measure(
    f: Callable[[float], Array],
    y0: Array,
    cotangents: Array,
    atol: float,
    accept: Callable[[Slope], bool],
) -> Slope:
    """The slope of v.f(t) at t = 0, where f(0) is `y0` (m,) and `cotangents` is (K, m).

    Two steps are tried; unless `accept` is content with what they say, and f seems smooth, the whole ladder is climbed.
    An element of f is taken to be rounded to EPS of itself, and by `atol` on the way to it.
    """
    rounding = cotangents**2 * (EPS * np.abs(y0) + atol) ** 2
    rungs = [_rung(f, y0, cotangents, t) for t in FIRST_STEPS]
    noise = np.sqrt(rounding @ np.any([rung.moved for rung in rungs], 0))
    first = _extrapolate(rungs, noise)
    if not _seems_bent(rungs, noise) and accept(first):
        return first
    rungs += [_rung(f, y0, cotangents, t) for t in OTHER_STEPS]
    rungs.sort(key=lambda rung: -rung.t)
    moved = np.any([rung.moved for rung in rungs], 0)
    noise = np.sqrt(rounding @ moved)
    slope = _extrapolate(rungs, noise)
    # An element that no step moves may still have a derivative, if it moves by less than its last bit.
    largest = max((rung.t for rung in rungs if rung.is_finite()), default=1.0)
    unseen = np.sqrt(rounding @ ~moved) / largest
    jump = _jump(rungs, noise, np.sqrt(cotangents**2 @ y0**2))
    return Slope(slope.value, slope.error + unseen, jump, slope.coarse)


def _rung(f: Callable[[float], Array], y0: Array, cotangents: Array, t: float) -> _Rung:
    right, left = f(t), f(-t)
    central = cotangents @ (right - left) / (2 * t)
    bend = np.abs(cotangents @ ((right - y0) - (y0 - left))) / t
    return _Rung(t, central, bend, right != left)


def _seems_bent(rungs: list[_Rung], noise: Array) -> bool:
    """Do left and right slope differ by as much at the small step as at the large one? (Smooth: by a tenth.)"""
    large, small = rungs
    unclear = 20 * noise / small.t + 1e-9 * np.abs(small.central)
    return not np.all((small.bend < 0.5 * large.bend) | (small.bend <= unclear))


def _jump(rungs: list[_Rung], noise: Array, size: Array) -> Array:
    """The jump of the slope at 0, or Inf, or 0: see `Slope`. `size` (K,): the size of v.f."""
    near = [rung for rung in rungs if 1e-8 < rung.t < 1e-4]
    if not all(rung.is_finite() for rung in near):
        return np.full(size.shape, np.inf)
    t = np.array([[rung.t] for rung in near])
    bends = np.stack([rung.bend for rung in near])
    # From the largest to the smallest of these steps a smooth bend shrinks a thousandfold, and rounding grows as much.
    # Where rounding would hide it, it need not be seen; but three steps have to see it.
    jump = np.median(bends[:3], 0)
    seen = jump > 20 * noise / t
    steady = (np.abs(bends - jump) < 0.2 * jump) | ~seen
    kink = steady.all(0) & (seen.sum(0) >= 3)
    # If f itself jumps, its change does not shrink with the step. Rounding also stays, but is far below 1e-6 of f.
    changes = np.abs(np.stack([rung.central for rung in near])) * t
    torn = (changes.max(0) < 1.2 * changes.min(0)) & (changes.min(0) > 1e-6 * size)
    return np.where(torn, np.inf, np.where(kink, jump, 0.0))


def _extrapolate(rungs: list[_Rung], noise: Array) -> Slope:
    """The most trustworthy entry of Neville's table, rungs from large to small (Ridders 1982, Adv. Eng. Software 4).

    Where f is smooth, `central` is a power series in t^2: two steps eliminate its first term, three the second. The
    error of an entry is how far it is from its neighbours in the table, and what the noise does to it. The smallest
    steps are compared with still smaller ones only, which are noisy but cannot mislead; and a larger step that
    contradicts them is not trusted: it may have crossed a kink or missed a narrow feature. `noise` (K,): how far v.f is
    rounded at least.
    """
    rungs = [rung for rung in rungs if rung.is_finite()]
    nothing = np.zeros(noise.shape)
    if len(rungs) < 2:
        return Slope(nothing + np.nan, nothing + np.inf, nothing, nothing + np.nan)
    noise = np.maximum(noise, 1e-300)
    noise = noise * max([1.0, *(float(np.max(rung.bend * rung.t / noise)) for rung in rungs if rung.t < 1e-7)])
    tiny = [rung for rung in rungs if rung.t < 1e-6 and np.all(rung.bend * rung.t <= 3 * noise)]
    values, errors, doubts, steps = [], [], [], []
    above: list[Array] = []
    for i, rung in enumerate(rungs):
        row = [rung.central]
        for j in range(1, i + 1):
            ratio = (rungs[i - j].t / rung.t) ** 2
            row.append(row[-1] + (row[-1] - above[j - 1]) / (ratio - 1))
        for j in range(len(row) if i else 0):
            neighbours = [above[max(j - 1, 0)], row[max(j - 1, 0)]]
            if j == 0 and rung in tiny:
                neighbours = [smaller.central for smaller in rungs[i + 1 : i + 2]]
            values.append(row[j])
            errors.append(np.max([noise / rung.t, *(np.abs(other - row[j]) for other in neighbours)], 0))
            doubts.append(np.max([nothing, *(np.abs(r.central - row[j]) - 10 * noise / r.t for r in tiny)], 0))
            steps.append(rung.t)
        above = row
    every = np.arange(noise.size)
    trusted = np.maximum(errors, doubts)
    best = np.argmin(trusted, 0)
    from_afar = np.argmin(np.where(np.array(steps)[:, None] > 1e-5, errors, np.inf), 0)
    return Slope(np.array(values)[best, every], trusted[best, every], nothing, np.array(values)[from_afar, every])
