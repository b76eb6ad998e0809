"""Optimizer updates in CUDA, in place: checks and scalars here, the arithmetic in ``optim.cu``.

What depends on the step number is computed here, in double, and rounded once to the dtype of the parameter.

Imports: ``launch.py``; the check of arguments from ``reference``. Read next: ``optim.cu``, ``random.py``.
"""

from __future__ import annotations

import math

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, launch
from minigen_kernels.reference.optim import check_update


def sgd_update(
    p: Array,
    g: Array,
    momentum_buffer: Array,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """One step of gradient descent: changes p and, unless momentum is 0, momentum_buffer."""
    if not momentum:
        check_update("sgd_update", p, g)
        _update("sgd_kernel", p, g, lr, weight_decay)
        return
    check_update("sgd_update", p, g, momentum_buffer=momentum_buffer)
    # The step is lr * (own * g + kept * buffer).
    own, kept = (1.0, momentum) if nesterov else (0.0, 1.0)
    _update("sgd_momentum_kernel", p, g, lr, momentum, own, kept, weight_decay, state=(momentum_buffer,))


def rmsprop_update(
    p: Array,
    g: Array,
    square_avg: Array,
    momentum_buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """One step of RMSprop: changes p, square_avg and, unless momentum is 0, momentum_buffer."""
    scalars = (lr, alpha, 1 - alpha, eps)
    if not momentum:
        check_update("rmsprop_update", p, g, square_avg=square_avg)
        _update("rmsprop_kernel", p, g, *scalars, weight_decay, state=(square_avg,))
        return
    check_update("rmsprop_update", p, g, square_avg=square_avg, momentum_buffer=momentum_buffer)
    state = (square_avg, momentum_buffer)
    _update("rmsprop_momentum_kernel", p, g, *scalars, momentum, weight_decay, state=state)


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Step number `step` (from 1 on) of Adam or, decoupled, of AdamW: changes p, m and v."""
    check_update("adam_update", p, g, m=m, v=v)
    if step < 1:
        raise ValueError(f"adam_update: step counts from 1, got {step}")
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    step_size = lr / (1 - beta1**step)
    root_scale = 1 / math.sqrt(1 - beta2**step)
    scalars = (step_size, root_scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, shrink, decay)
    _update("adam_kernel", p, g, *scalars, state=(m, v))


def _update(kernel: str, p: Array, g: Array, *scalars: float, state: tuple[Array, ...] = ()) -> None:
    launch("optim.cu", kernel, blocks_for(p.size), THREADS, p, contiguous(g), *state, p.size, *scalars)
