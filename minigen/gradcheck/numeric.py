"""Numerical differentiation with an error estimate: central differences at a ladder of steps, extrapolated to step 0.

Given are f(t), the function along a line x + t d through the point, and K cotangents v. Wanted is the directional
derivative, d/dt of v.f(t) at t = 0. Steps are relative: t = 1 moves numbers by their own size.

Imports: NumPy. Read next: ``checked_function.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigen_kernels import Array


@dataclass(frozen=True)
class StepSizes:
    """The steps for one dtype, relative to the size of the numbers that are moved.

    The error of a central difference is about t^2 (truncation) plus `eps` / t (rounding), as derived in
    docs/guide/01_derivatives.md. The step `first` suffices if it agrees with the analytic value and the curvature is
    small; `first` and `second` suffice for nearly every smooth function. If they disagree, or there may be a kink, the
    `others` are used too: larger ones against rounding, smaller ones to avoid a kink nearby.

    `kink_range`: steps in between are used to detect kinks. `noisy`: steps below it show the rounding error of f.
    `small`: truncation does not matter below it. `coarse`: the estimate from steps above it is `coarse`, see
    `DirectionalDerivative`. `significant`: a derivative so many times larger than the rounding error of a zero has to
    be known to 1 %. `rounding_steps`: a smooth function is linear over them; `curved_steps`: it is quadratic.
    """

    eps: float
    first: float
    second: float
    others: tuple[float, ...]
    kink_range: tuple[float, float]
    noisy: float
    small: float
    coarse: float
    significant: float
    rounding_steps: tuple[float, ...]
    curved_steps: tuple[float, ...]


FLOAT64_STEPS = StepSizes(
    eps=float(np.finfo(np.float64).eps),
    first=1e-4,
    second=2e-5,
    others=(3e-2, 3e-3, 3e-6, 3e-7, 3e-8, 3e-9),
    kink_range=(1e-8, 1e-4),
    noisy=1e-7,
    small=1e-6,
    coarse=1e-5,
    significant=1e9,
    rounding_steps=(1e-9, 2.3e-9, 4.1e-9),
    curved_steps=(1e-6, 3.1e-6, 7.3e-6, 1.3e-5),
)
FLOAT32_STEPS = StepSizes(
    eps=float(np.finfo(np.float32).eps),
    first=3e-2,
    second=6e-3,
    others=(3e-1, 1e-1, 2e-3, 6e-4, 2e-4, 6e-5),
    kink_range=(1e-4, 1e-2),
    noisy=1e-4,
    small=5e-4,
    coarse=5e-3,
    significant=2e4,
    rounding_steps=(1e-5, 2.3e-5, 4.1e-5),
    curved_steps=(1e-3, 3e-3),
)


@dataclass(frozen=True)
class DirectionalDerivative:
    """The derivative of v.f(t) at 0 for each of K cotangents.

    `value` (K,); `error` (K,): its estimated error. `jump` (K,): the difference of the one-sided derivatives at a kink;
    Inf if f itself jumps or is not finite on both sides, 0 if f is smooth. `coarse` (K,): the derivative from the
    larger steps; it differs from `value` where f is a staircase that looks smooth at large steps.
    """

    value: Array
    error: Array
    jump: Array
    coarse: Array


@dataclass(frozen=True, eq=False)
class _Quotient:
    """The central and one-sided difference quotients of one step t: arrays (K,)."""

    t: float
    central: Array  # (v.f(t) - v.f(-t)) / 2t
    bend: Array  # |right slope - left slope|
    moved: Array  # (m,) the elements of f that differ between t and -t

    def is_finite(self) -> bool:
        return bool(np.isfinite(self.central).all())


def directional_derivative(
    f: Callable[[float], Array],
    y0: Array,
    cotangents: Array,
    atol: float | Array,
    accept: Callable[[DirectionalDerivative], bool],
    steps: StepSizes = FLOAT64_STEPS,
) -> DirectionalDerivative:
    """The derivative of v.f(t) at t = 0, where f(0) is `y0` (m,) and `cotangents` is (K, m).

    One step is tried, then two, then the whole ladder, until `accept` is True and f seems smooth. An element of f is
    assumed to have a rounding error of eps times itself, plus `atol` (one number or (m,)) from intermediate results.
    """
    rounding = cotangents * (steps.eps * np.abs(y0) + atol)
    first = _quotient(f, y0, cotangents, steps.first)
    slope = _from_one_step(first, norms(rounding * first.moved))
    if accept(slope):
        return slope
    quotients = [first, _quotient(f, y0, cotangents, steps.second)]
    noise = norms(rounding * (quotients[0].moved | quotients[1].moved))
    slope = _extrapolate(quotients, noise, steps)
    if not _seems_kinked(quotients, noise) and accept(slope):
        return slope
    quotients += [_quotient(f, y0, cotangents, t) for t in steps.others]
    quotients.sort(key=lambda q: -q.t)
    moved = np.any([q.moved for q in quotients], 0)
    noise = norms(rounding * moved)
    slope = _extrapolate(quotients, noise, steps)
    # An element that no step changes may still have a derivative, if it changes by less than its last bit.
    largest = max((q.t for q in quotients if q.is_finite()), default=1.0)
    unseen = norms(rounding * ~moved) / largest
    jump = _slope_jump(quotients, noise, norms(cotangents * y0), norms(cotangents * atol), steps)
    return DirectionalDerivative(slope.value, slope.error + unseen, jump, slope.coarse)


def norms(rows: Array) -> Array:
    """The Euclidean norm of each row, (K, m) -> (K,), also where squares would overflow or underflow."""
    largest = np.abs(rows).max(1, initial=0.0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * np.sqrt(((rows / unit[:, None]) ** 2).sum(1)))


def _from_one_step(q: _Quotient, noise: Array) -> DirectionalDerivative:
    """The derivative from one step. Its error is t times bend, if the third derivative is no larger than the second."""
    error = q.t * q.bend + noise / q.t
    return DirectionalDerivative(q.central, np.where(np.isnan(error), np.inf, error), np.zeros(noise.shape), q.central)


def _quotient(f: Callable[[float], Array], y0: Array, cotangents: Array, t: float) -> _Quotient:
    right, left = f(t), f(-t)
    central = cotangents @ (right - left) / (2 * t)
    bend = np.abs(cotangents @ ((right - y0) - (y0 - left))) / t
    return _Quotient(t, central, bend, right != left)


def _seems_kinked(quotients: list[_Quotient], noise: Array) -> bool:
    """Do the one-sided slopes differ as much at the small step as at the large one? (If smooth: a fifth as much.)"""
    large, small = quotients
    undecided = 20 * noise / small.t + 1e-9 * np.abs(small.central)
    return not np.all((small.bend < 0.5 * large.bend) | (small.bend <= undecided))


def _slope_jump(quotients: list[_Quotient], noise: Array, size: Array, least: Array, steps: StepSizes) -> Array:
    """`jump` of `DirectionalDerivative`. (K,): the `size` of v.f, and its `least` rounding error."""
    near = [q for q in quotients if steps.kink_range[0] < q.t < steps.kink_range[1]]
    if not all(q.is_finite() for q in near):
        return np.full(size.shape, np.inf)
    t = np.array([[q.t] for q in near])
    bends = np.stack([q.bend for q in near])
    # From the largest to the smallest of these steps the bend of a smooth f shrinks a thousandfold, and rounding grows
    # as much. A jump may be hidden by rounding at some steps, but has to be visible at three.
    jump = np.median(bends[:3], 0)
    seen = jump > 20 * noise / t
    steady = (np.abs(bends - jump) < 0.2 * jump) | ~seen
    kink = steady.all(0) & (seen.sum(0) >= 3)
    # If f itself jumps, its change does not shrink with the step. Neither does rounding, which is far smaller.
    changes = np.abs(np.stack([q.central for q in near])) * t
    torn = (changes.max(0) < 1.2 * changes.min(0)) & (changes.min(0) > max(1e-6, 200 * steps.eps) * size + 1e3 * least)
    return np.where(torn, np.inf, np.where(kink, jump, 0.0))


def _extrapolate(quotients: list[_Quotient], noise: Array, steps: StepSizes) -> DirectionalDerivative:
    """Richardson extrapolation: the entry of Neville's table with the smallest error (Ridders, Adv. Eng. Softw. 1982).

    `quotients` go from large to small steps. Where f is smooth, `central` is a power series in t^2: two steps
    eliminate its first term, three the second. The error of an entry is its distance from its neighbours in the table,
    and at least the rounding error. The smallest steps are compared only with still smaller ones, which have no
    truncation error. A larger step that contradicts them is not trusted: it may have crossed a kink or missed a narrow
    feature. `noise` (K,): the least rounding error of v.f.
    """
    quotients = [q for q in quotients if q.is_finite()]
    nothing = np.zeros(noise.shape)
    if len(quotients) < 2:
        return DirectionalDerivative(nothing + np.nan, nothing + np.inf, nothing, nothing + np.nan)
    noise = np.maximum(noise, 1e-300)
    noisy = [float(np.max(q.bend * q.t / noise)) for q in quotients if q.t < steps.noisy]
    noise = noise * max([1.0, *noisy])
    small = [q for q in quotients if q.t < steps.small and np.all(q.bend * q.t <= 3 * noise)]
    values, first, second, sizes = [], [], [], []  # entries of the table, each with two neighbours and its step
    above: list[Array] = []
    for i, q in enumerate(quotients):
        row = [q.central]
        for j in range(1, i + 1):
            ratio = (quotients[i - j].t / q.t) ** 2
            row.append(row[-1] + (row[-1] - above[j - 1]) / (ratio - 1))
        for j in range(len(row) if i else 0):
            neighbours = above[max(j - 1, 0)], row[max(j - 1, 0)]
            if j == 0 and q in small:
                smaller = quotients[i + 1].central if i + 1 < len(quotients) else row[0]
                neighbours = smaller, smaller
            values.append(row[j])
            first.append(neighbours[0])
            second.append(neighbours[1])
            sizes.append(q.t)
        above = row
    table, t = np.array(values), np.array(sizes)[:, None]
    errors = np.maximum(np.abs(np.array(first) - table), np.abs(np.array(second) - table))
    trusted = errors = np.maximum(errors, noise / t)
    for q in small:
        trusted = np.maximum(trusted, np.abs(q.central - table) - 10 * noise / q.t)
    every = np.arange(noise.size)
    best = np.argmin(trusted, 0)
    coarse = np.argmin(np.where(t > steps.coarse, errors, np.inf), 0)
    return DirectionalDerivative(table[best, every], trusted[best, every], nothing, table[coarse, every])
