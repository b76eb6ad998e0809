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


@dataclass(frozen=True)
class Steps:
    """The ladder for one dtype. Steps are relative: 1 is a move as large as the numbers that are moved.

    A central difference errs by about t^2 (truncation) and `eps` / t (rounding). `first` alone serves where it meets
    the analytic value and the function hardly bends over it; `first` and `second` together serve nearly every smooth
    function. The `others` are climbed where these disagree, or the function seems to bend: larger ones against
    rounding, smaller ones to get away from a kink nearby. The steps between those of `near` are asked about kinks; from
    those below `noisy` the noise is told; those below `tiny` are noisy, but cannot mislead; those above `far` say what
    the function looks like from a distance. A derivative that is `clear` times as large as what cancellation may leave
    of a zero has to be known to 1 %. `jitter`: steps too small to see a smooth function bend, and
    `tremor`: too small to see more of it than that.
    """

    eps: float
    first: float
    second: float
    others: tuple[float, ...]
    near: tuple[float, float]
    noisy: float
    tiny: float
    far: float
    clear: float
    jitter: tuple[float, ...]
    tremor: tuple[float, ...]


DOUBLE = Steps(
    eps=float(np.finfo(np.float64).eps),
    first=1e-4,
    second=2e-5,
    others=(3e-2, 3e-3, 3e-6, 3e-7, 3e-8, 3e-9),
    near=(1e-8, 1e-4),
    noisy=1e-7,
    tiny=1e-6,
    far=1e-5,
    clear=1e9,
    jitter=(1e-9, 2.3e-9, 4.1e-9),
    tremor=(1e-6, 3.1e-6, 7.3e-6, 1.3e-5),
)
SINGLE = Steps(
    eps=float(np.finfo(np.float32).eps),
    first=3e-2,
    second=6e-3,
    others=(3e-1, 1e-1, 2e-3, 6e-4, 2e-4, 6e-5),
    near=(1e-4, 1e-2),
    noisy=1e-4,
    tiny=5e-4,
    far=5e-3,
    clear=2e4,
    jitter=(1e-5, 2.3e-5, 4.1e-5),
    tremor=(1e-3, 3e-3),
)


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
    atol: float | Array,
    accept: Callable[[Slope], bool],
    steps: Steps = DOUBLE,
) -> Slope:
    """The slope of v.f(t) at t = 0, where f(0) is `y0` (m,) and `cotangents` is (K, m).

    One step is tried, then two; unless `accept` is content with what they say, and f seems smooth, the whole ladder is
    climbed. An element of f is taken to be rounded to eps of itself, and by `atol` (for all or each) on the way to it.
    """
    rounding = cotangents * (steps.eps * np.abs(y0) + atol)
    first = _rung(f, y0, cotangents, steps.first)
    slope = _glance(first, norms(rounding * first.moved))
    if accept(slope):
        return slope
    rungs = [first, _rung(f, y0, cotangents, steps.second)]
    noise = norms(rounding * (rungs[0].moved | rungs[1].moved))
    slope = _extrapolate(rungs, noise, steps)
    if not _seems_bent(rungs, noise) and accept(slope):
        return slope
    rungs += [_rung(f, y0, cotangents, t) for t in steps.others]
    rungs.sort(key=lambda rung: -rung.t)
    moved = np.any([rung.moved for rung in rungs], 0)
    noise = norms(rounding * moved)
    slope = _extrapolate(rungs, noise, steps)
    # An element that no step moves may still have a derivative, if it moves by less than its last bit.
    largest = max((rung.t for rung in rungs if rung.is_finite()), default=1.0)
    unseen = norms(rounding * ~moved) / largest
    jump = _jump(rungs, noise, norms(cotangents * y0), norms(cotangents * atol), steps)
    return Slope(slope.value, slope.error + unseen, jump, slope.coarse)


def norms(rows: Array) -> Array:
    """The length of each row (K, m) -> (K,), also where squares would overflow or underflow."""
    largest = np.abs(rows).max(1, initial=0.0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * np.sqrt(((rows / unit[:, None]) ** 2).sum(1)))


def _glance(rung: _Rung, noise: Array) -> Slope:
    """What one step says. How far it is off is unknown; if the third derivative is like the second, t times bend."""
    error = rung.t * rung.bend + noise / rung.t
    return Slope(rung.central, np.where(np.isnan(error), np.inf, error), np.zeros(noise.shape), rung.central)


def _rung(f: Callable[[float], Array], y0: Array, cotangents: Array, t: float) -> _Rung:
    right, left = f(t), f(-t)
    central = cotangents @ (right - left) / (2 * t)
    bend = np.abs(cotangents @ ((right - y0) - (y0 - left))) / t
    return _Rung(t, central, bend, right != left)


def _seems_bent(rungs: list[_Rung], noise: Array) -> bool:
    """Do left and right slope differ by as much at the small step as at the large one? (Smooth: by a fifth.)"""
    large, small = rungs
    unclear = 20 * noise / small.t + 1e-9 * np.abs(small.central)
    return not np.all((small.bend < 0.5 * large.bend) | (small.bend <= unclear))


def _jump(rungs: list[_Rung], noise: Array, size: Array, least: Array, steps: Steps) -> Array:
    """The jump of the slope at 0, or Inf, or 0: see `Slope`. (K,): `size` of v.f, its `least` rounding."""
    near = [rung for rung in rungs if steps.near[0] < rung.t < steps.near[1]]
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
    # If f itself jumps, its change does not shrink with the step. Rounding also stays, but is far below this part of f.
    changes = np.abs(np.stack([rung.central for rung in near])) * t
    torn = (changes.max(0) < 1.2 * changes.min(0)) & (changes.min(0) > max(1e-6, 200 * steps.eps) * size + 1e3 * least)
    return np.where(torn, np.inf, np.where(kink, jump, 0.0))


def _extrapolate(rungs: list[_Rung], noise: Array, steps: Steps) -> Slope:
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
    noise = noise * max([1.0, *(float(np.max(rung.bend * rung.t / noise)) for rung in rungs if rung.t < steps.noisy)])
    tiny = [rung for rung in rungs if rung.t < steps.tiny and np.all(rung.bend * rung.t <= 3 * noise)]
    values, first, second, sizes = [], [], [], []  # entries of the table, each with two neighbours and its step
    above: list[Array] = []
    for i, rung in enumerate(rungs):
        row = [rung.central]
        for j in range(1, i + 1):
            ratio = (rungs[i - j].t / rung.t) ** 2
            row.append(row[-1] + (row[-1] - above[j - 1]) / (ratio - 1))
        for j in range(len(row) if i else 0):
            neighbours = above[max(j - 1, 0)], row[max(j - 1, 0)]
            if j == 0 and rung in tiny:
                smaller = rungs[i + 1].central if i + 1 < len(rungs) else row[0]
                neighbours = smaller, smaller
            values.append(row[j])
            first.append(neighbours[0])
            second.append(neighbours[1])
            sizes.append(rung.t)
        above = row
    table, t = np.array(values), np.array(sizes)[:, None]
    errors = np.maximum(np.abs(np.array(first) - table), np.abs(np.array(second) - table))
    trusted = errors = np.maximum(errors, noise / t)
    for rung in tiny:
        trusted = np.maximum(trusted, np.abs(rung.central - table) - 10 * noise / rung.t)
    every = np.arange(noise.size)
    best = np.argmin(trusted, 0)
    from_afar = np.argmin(np.where(t > steps.far, errors, np.inf), 0)
    return Slope(table[best, every], trusted[best, every], nothing, table[from_afar, every])
