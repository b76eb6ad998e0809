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
OTHER_STEPS = (3e-2, 3e-3, 3e-6, 3e-7, 3e-8)


@dataclass(frozen=True)
class Slope:
    """The derivative of v.f(t) at 0 for each of K cotangents.

    `value` (K,); `error` (K,) how far it may be off; `jump` (K,) the slope on the right minus the slope on the left where
    they differ at every step (a kink), Inf where f itself jumps or is not finite on both sides, 0 where f is smooth.
    """

    value: Array
    error: Array
    jump: Array


@dataclass(frozen=True)
class _Rung:
    """What one step t tells: arrays (K,)."""

    t: float
    central: Array  # (v.f(t) - v.f(-t)) / 2t
    bend: Array  # right slope minus left slope
    floor: Array  # what the rounding of f alone does to `central`


def measure(
    f: Callable[[float], Array], y0: Array, cotangents: Array, accept: Callable[[Slope], bool | np.bool_]
) -> Slope:
    """The slope of v.f(t) at t = 0, where f(0) is `y0` (m,) and `cotangents` is (K, m).

    Two steps are tried; unless `accept` is content with what they say, and f seems smooth, the whole ladder is climbed.
    """
    rungs = [_rung(f, y0, cotangents, t) for t in FIRST_STEPS]
    first = _extrapolate(rungs)
    if not _seems_bent(rungs) and accept(first):
        return first
    rungs += [_rung(f, y0, cotangents, t) for t in OTHER_STEPS]
    rungs.sort(key=lambda rung: -rung.t)
    value, error = (slope := _extrapolate(rungs)).value, slope.error
    return Slope(value, error, _jump(rungs, np.sqrt(cotangents**2 @ y0**2)))


def _rung(f: Callable[[float], Array], y0: Array, cotangents: Array, t: float) -> _Rung:
    right, left = f(t), f(-t)
    moved = np.where(right != left, y0, 0.0)  # an element that did not move adds no rounding
    with np.errstate(invalid="ignore", over="ignore"):
        central = cotangents @ (right - left) / (2 * t)
        bend = np.abs(cotangents @ ((right - y0) - (y0 - left))) / t
    return _Rung(t, central, bend, EPS * np.sqrt(cotangents**2 @ moved**2) / t)


def _seems_bent(rungs: list[_Rung]) -> bool:
    """Do left and right slope differ by as much at the small step as at the large one? (Smooth: by a tenth.)"""
    large, small = rungs
    noise = 20 * small.floor + 1e-9 * np.abs(small.central)
    return not np.all((small.bend < 0.5 * large.bend) | (small.bend <= noise))


def _jump(rungs: list[_Rung], size: Array) -> Array:
    """The jump of the slope at 0, or Inf, or 0: see `Slope`. `size` (K,): the size of v.f."""
    near = [rung for rung in rungs if rung.t < 1e-4]
    if not all(np.isfinite(rung.central).all() for rung in near):
        return np.full(size.shape, np.inf)
    t = np.array([[rung.t] for rung in near])
    bends = np.stack([rung.bend for rung in near])
    floors = np.stack([rung.floor for rung in near])
    # From the largest to the smallest of these steps a smooth bend shrinks a thousandfold, and rounding grows as much.
    kink = (bends.max(0) < 1.5 * bends.min(0)) & (bends > 20 * floors).all(0)
    # If f itself jumps, its change does not shrink with the step. Rounding also stays, but is far below 1e-6 of f.
    changes = np.abs(np.stack([rung.central for rung in near])) * t
    torn = (changes.max(0) < 1.5 * changes.min(0)) & (changes.min(0) > 1e-6 * size)
    return np.where(torn, np.inf, np.where(kink, np.median(bends, 0), 0.0))


def _extrapolate(rungs: list[_Rung]) -> Slope:
    """The most trustworthy entry of Neville's table (Ridders 1982, Adv. Eng. Software 4, 75; rungs from large to small).

    If f has derivatives, `central` is a polynomial in t^2, and two steps eliminate its first term, three the second.
    """
    nothing = np.zeros(rungs[0].central.shape)
    rungs = [rung for rung in rungs if np.isfinite(rung.central).all()]
    if len(rungs) < 2:
        return Slope(nothing + np.nan, nothing + np.inf, nothing)
    value, error = _best_entry(rungs, nothing)
    if len(rungs) > 2:  # the smallest steps show how rough f is; choose again, knowing this
        rough = [np.abs(rung.central - value) * rung.t for rung in rungs if rung.t < 1e-5]
        value, error = _best_entry(rungs, np.max([nothing, *rough], 0))
    return Slope(value, error, nothing)


def _best_entry(rungs: list[_Rung], roughness: Array) -> tuple[Array, Array]:
    """For each cotangent the entry that differs least from its neighbours in the table, and that difference."""
    value, error = rungs[0].central, np.full(roughness.shape, np.inf)
    above: list[Array] = []
    for i, rung in enumerate(rungs):
        row = [rung.central]
        for j in range(1, i + 1):
            ratio = (rungs[i - j].t / rung.t) ** 2
            row.append(row[-1] + (row[-1] - above[j - 1]) / (ratio - 1))
        for j in range(len(row) if i else 0):
            doubt = np.abs(row[j] - above[max(j - 1, 0)])
            if j:
                doubt = np.maximum(doubt, np.abs(row[j] - row[j - 1]))
            doubt = np.maximum(doubt, np.maximum(rung.floor, roughness / rung.t))
            value, error = np.where(doubt < error, row[j], value), np.minimum(doubt, error)
        above = row
    return value, error
