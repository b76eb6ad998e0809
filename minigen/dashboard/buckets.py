"""A long series as a short one that hides nothing: of each stretch the lowest, the highest and the mean value.

A curve of a hundred thousand points is drawn on a thousand columns of pixels. Taking every hundredth point would leave
out the spike that one is looking for; what is kept here is what the whole curve would paint. NaN and infinite values
are no numbers to be drawn, and are counted.

Imports: NumPy. Read next: ``page.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array

Buckets = dict[str, Array]


def buckets(
    step: Array, seconds: Array, value: Array, most: int, low: float = -np.inf, high: float = np.inf
) -> Buckets:
    """At most `most` buckets of a series (N,), by step; of the rows with a step in [low, high], and one on each side.

    Arrays (B,): "first" and "last" step, "seconds" at the last, "count" of rows; "low", "high" and "mean" over the
    finite values, NaN without any; "nan", "above" and "below" count NaN, +inf and -inf. Where there are no more rows
    than `most`, each is a bucket of its own. ValueError if `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"buckets: most must be at least 1, got {most}")
    if np.any(np.diff(step) < 0):  # rows of a table that somebody has put together
        order = np.argsort(step, kind="stable")
        step, seconds, value = step[order], seconds[order], value[order]
    begin = max(0, int(np.searchsorted(step, low, "left")) - 1)
    end = min(len(step), int(np.searchsorted(step, high, "right")) + 1)
    step, seconds, value = step[begin:end], seconds[begin:end], value[begin:end]
    starts = _starts(step, most)
    ends = np.append(starts[1:], len(step))[: len(starts)]
    finite = np.isfinite(value)
    found = {
        "first": step[starts],
        "last": step[ends - 1],
        "seconds": seconds[ends - 1],
        "count": ends - starts,
        "nan": _sum(np.isnan(value), starts),
        "above": _sum(value == np.inf, starts),
        "below": _sum(value == -np.inf, starts),
    }
    counted = _sum(finite, starts)
    empty = counted == 0
    with np.errstate(over="ignore", invalid="ignore"):
        lowest = _reduce(np.minimum, np.where(finite, value, np.inf), starts)
        highest = _reduce(np.maximum, np.where(finite, value, -np.inf), starts)
        shares = np.where(finite, value, 0.0) / np.repeat(np.maximum(counted, 1), ends - starts)
        mean = np.clip(_reduce(np.add, shares, starts), lowest, highest)  # a sum may be off by a rounding
    for name, array in (("low", lowest), ("high", highest), ("mean", mean)):
        found[name] = np.where(empty, np.nan, array)
    return found


def _starts(step: Array, most: int) -> Array:
    """The first row of each bucket: stretches of equal length in steps, those without a row left out."""
    if len(step) <= most:
        return np.arange(len(step))
    edges = np.linspace(step[0], step[-1], most + 1)[:-1]
    return np.unique(np.searchsorted(step, edges, "left"))


def _reduce(ufunc: np.ufunc, values: Array, starts: Array) -> Array:
    return ufunc.reduceat(values, starts) if len(starts) else np.empty(0, values.dtype)


def _sum(values: Array, starts: Array) -> Array:
    return _reduce(np.add, values.astype(np.int64), starts)
