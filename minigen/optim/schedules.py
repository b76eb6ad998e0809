"""Learning rate schedules, functions of the step from 0: ``opt.lr = schedule(k)`` before step k.

A schedule has no state: there is nothing to save, and a resumed run gets the same rates. The values are those of
PyTorch's schedulers of similar names, called once per step.

Imports: settings. Read next: ``clipping.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from minigen.optim.settings import check_count, check_number

Schedule = Callable[[int], float]


def constant_schedule(lr: float) -> Schedule:
    """`lr` at every step."""
    rate = check_number("constant_schedule", "lr", lr)
    return lambda k: rate


def step_schedule(lr: float, step_size: int, *, gamma: float = 0.1) -> Schedule:
    """The rate lr * gamma^(k // step_size): multiplied by `gamma` after every `step_size` steps."""
    start = check_number("step_schedule", "lr", lr)
    size = check_count("step_schedule", "step_size", step_size, low=1)
    factor = check_number("step_schedule", "gamma", gamma, ends="()")
    return lambda k: start * factor ** (k // size)


def exponential_schedule(lr: float, gamma: float) -> Schedule:
    """The rate lr * gamma^k: multiplied by `gamma` after every step."""
    start = check_number("exponential_schedule", "lr", lr)
    factor = check_number("exponential_schedule", "gamma", gamma, ends="()")
    return lambda k: start * factor**k


def cosine_schedule(lr: float, total: int, *, min_lr: float = 0.0, warmup: int = 0) -> Schedule:
    """From `lr` down to `min_lr` along half a cosine; from step `total` on it is `min_lr`.

    min_lr + (lr - min_lr) (1 + cos(pi (k - warmup) / (total - warmup))) / 2, after a linear warmup of `warmup`
    steps from lr / warmup to lr (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, without restarts).
    """
    end = check_count("cosine_schedule", "total", total, low=1)
    rise = check_count("cosine_schedule", "warmup", warmup, low=0)
    top = check_number("cosine_schedule", "lr", lr)
    bottom = check_number("cosine_schedule", "min_lr", min_lr)
    if rise >= end:
        raise ValueError(f"cosine_schedule: warmup must be below total, got warmup={warmup} and total={total}")
    if bottom > top:
        raise ValueError(f"cosine_schedule: min_lr must not be above lr, got min_lr={min_lr} and lr={lr}")

    def rate(k: int) -> float:
        if k < rise:
            return top * (k + 1) / rise
        progress = min(1.0, (k - rise) / (end - rise))
        return bottom + (top - bottom) * (1 + math.cos(math.pi * progress)) / 2

    return rate
