"""What is kept over many steps: a moving average of weights, sums of the terms of a loss. In place.

As in ``optim.py`` there may be a list of arrays, all of one dtype, in place of an array: the result is that of a call
for each, on a GPU in one launch.

Imports: NumPy. Read next: ``random.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Arrays


def average_update(average: Arrays, value: Arrays, count: Array, decay: float, copied: int) -> None:
    """a <- a + (v - a) rest: an exponential moving average, whose decay is smaller at the beginning.

    ::

        rest = 1 - min(decay, (1 + count) / (10 + count))

    `count` is the number of this update, from 1 on, as a float32 array of shape (), and `rest` is computed in float32.
    Of a list of arrays the last `copied` are not averaged: a <- v.
    """
    averages, values = check_running("average_update", average, value)
    rest = 1 - np.minimum(decay, (1 + count) / (10 + count))
    averaged = len(averages) - copied
    for a, v in zip(averages[:averaged], values[:averaged]):
        a += (v - a) * rest.astype(v.dtype)
    for a, v in zip(averages[averaged:], values[averaged:]):
        a[...] = v


def total_update(total: Arrays, term: Arrays, weight: float) -> None:
    """t <- t + weight x: the sum so far, in float64, and a term x of the same shape, float32 or float64."""
    for t, x in zip(*check_running("total_update", total, term)):
        t += x.astype(np.float64) * weight


def check_running(name: str, kept: Arrays, new: Arrays) -> tuple[list[Array], list[Array]]:
    """Both as lists; ValueError unless they fit each other. All versions call this."""
    many = isinstance(kept, list)
    kept, new = (kept, new) if many else ([kept], [new])
    if [a.shape for a in kept] != [a.shape for a in new]:
        raise ValueError(f"{name}: shapes {[a.shape for a in kept]} are kept, but {[a.shape for a in new]} are new")
    return kept, new
