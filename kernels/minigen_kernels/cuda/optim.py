"""Optimizer updates in CUDA, in place: checks and scalars here, the arithmetic in ``optim.cu``.

What depends on the step number is computed here, in double, and rounded once to the dtype of the parameter. Inside
`numbers`, these are collected, and kernels can read them from the device, so that a recorded graph can be repeated with
those of the next step.

Imports: ``launch.py``; the check of arguments from ``reference``. Read next: ``optim.cu``, ``running.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from minigen_kernels import Array, Arrays
from minigen_kernels.cuda.launch import THREADS, contiguous, empty, launch, launch_together
from minigen_kernels.cuda.plan import MOST_ARRAYS, chunks_of
from minigen_kernels.reference.optim import check_update

#: Blocks that sum up squares: enough to fill any device, few enough that one block sums up what they found.
SUMS = 256


class Numbers:
    """The scalars of updates that are others in every step, in the order of the updates, as float64."""

    def __init__(self, memory: Array | None, launching: bool) -> None:
        self.values: list[float] = []
        self.memory, self.launching = memory, launching

    def take(self, changing: tuple[float, ...]) -> Array | None:
        """Collect the scalars of an update; where the kernel finds them on the device, if it does."""
        start = len(self.values)
        self.values += changing
        return None if self.memory is None else self.memory[start : start + len(changing)]


_numbers: ContextVar[Numbers | None] = ContextVar("numbers", default=None)


@contextmanager
def numbers(memory: Array | None = None, *, launching: bool = True) -> Iterator[Numbers]:
    """Inside of the ``with`` block, collect the scalars of updates; with `memory`, kernels read them from there.

    `memory` is float64 (n,) on the device; whoever owns it writes the collected values there. Without `launching`
    nothing is changed but the step counts.
    """
    collected = Numbers(memory, launching)
    token = _numbers.set(collected)
    try:
        yield collected
    finally:
        _numbers.reset(token)


def sgd_update(
    p: Arrays,
    g: Arrays,
    momentum_buffer: Arrays,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """One step of gradient descent: changes p and, unless momentum is 0, momentum_buffer."""
    if not momentum:
        _update("sgd_update", "sgd_kernel", p, g, {}, (lr,), weight_decay)
        return
    # The step is lr * (own * g + kept * buffer).
    own, kept = (1.0, momentum) if nesterov else (0.0, 1.0)
    state = {"momentum_buffer": momentum_buffer}
    _update("sgd_update", "sgd_momentum_kernel", p, g, state, (lr,), momentum, own, kept, weight_decay)


def rmsprop_update(
    p: Arrays,
    g: Arrays,
    square_avg: Arrays,
    momentum_buffer: Arrays,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """One step of RMSprop: changes p, square_avg and, unless momentum is 0, momentum_buffer."""
    state, scalars = {"square_avg": square_avg}, (alpha, 1 - alpha, eps)
    if not momentum:
        _update("rmsprop_update", "rmsprop_kernel", p, g, state, (lr,), *scalars, weight_decay)
        return
    state["momentum_buffer"] = momentum_buffer
    _update("rmsprop_update", "rmsprop_momentum_kernel", p, g, state, (lr,), *scalars, momentum, weight_decay)


def adam_update(
    p: Arrays,
    g: Arrays,
    m: Arrays,
    v: Arrays,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Step number `step` (from 1 on) of Adam or, decoupled, of AdamW: changes p, m and v."""
    if step < 1:
        raise ValueError(f"adam_update: step counts from 1, got {step}")
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    step_size = lr / (1 - beta1**step)
    root_scale = 1 / math.sqrt(1 - beta2**step)
    scalars = (beta1, 1 - beta1, beta2, 1 - beta2, eps, decay)
    _update("adam_update", "adam_kernel", p, g, {"m": m, "v": v}, (step_size, root_scale, shrink), *scalars)


def clip_norm(g: Arrays, max_norm: float) -> tuple[Arrays, Array]:
    """All gradients times min(1, max_norm / (norm + 1e-6)), and the norm over all of them, shape (): three launches."""
    if not isinstance(g, list):
        (one,), norm = clip_norm([g], max_norm)
        return one, norm
    dtypes = [a.dtype for a in g]
    dtype = np.result_type(*dtypes)
    x = [contiguous(a.astype(dtype, copy=False)) for a in g]
    parts = range(0, len(x), MOST_ARRAYS)
    sums = empty((len(parts) * SUMS,), np.float64)
    for k, first in enumerate(parts):
        _, chunks = chunks_of([a.size for a in x[first : first + MOST_ARRAYS]])
        mine = sums[k * SUMS : (k + 1) * SUMS]
        launch("optim.cu", "square_sums_kernel", SUMS, THREADS, x[first : first + MOST_ARRAYS], chunks, mine)
    norm, factor = empty((), dtype), empty((), dtype)
    launch("optim.cu", "norm_kernel", 1, THREADS, sums, sums.size, float(max_norm), norm, factor)
    y = [empty(a.shape, dtype) for a in x]
    launch_together("optim.cu", "scale_kernel", [y, x], factor)
    return [a.astype(own, copy=False) for a, own in zip(y, dtypes)], norm


def _update(
    name: str, kernel: str, p: Arrays, g: Arrays, state: dict[str, Arrays], changing: tuple[float, ...], *fixed: float
) -> None:
    """`changing`: the scalars that are others in every step, which the kernel can also read from memory."""
    if not isinstance(p, list):
        p, g, state = [p], [g], {argument: [array] for argument, array in state.items()}
    collected = _numbers.get()
    memory = None if collected is None else collected.take(changing)
    if collected is not None and not collected.launching:
        return
    check_updates(name, p, g, state)
    launch_together("optim.cu", kernel, [p, [contiguous(a) for a in g], *state.values()], *changing, memory, *fixed)


def check_updates(name: str, p: list[Array], g: list[Array], state: dict[str, list[Array]]) -> None:
    """`check_update` of each parameter, for an error; before that a look at all of them at once."""
    shapes = [a.shape for a in p]
    for arrays in (g, *state.values()):
        if [a.shape for a in arrays] != shapes:
            break
    else:
        dtypes = {a.dtype for arrays in (p, g, *state.values()) for a in arrays}
        if len(dtypes) == 1 and all([a.flags.c_contiguous for arrays in (p, *state.values()) for a in arrays]):
            return
    for k, (one, gradient) in enumerate(zip(p, g, strict=True)):
        check_update(name, one, gradient, **{argument: arrays[k] for argument, arrays in state.items()})
