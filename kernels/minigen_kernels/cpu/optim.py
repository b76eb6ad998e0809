"""Optimizer updates on the CPU: one pass over memory for each parameter.

The scalars are rounded to the dtype of the parameter before the loop: one float64 scalar inside
would turn a float32 loop into float64 arithmetic, at half the speed. They are rounded by the
compiled code, which takes a nanosecond; NumPy takes a hundred for each. Without weight decay the
same loop runs with a factor 0 or 1, which costs nothing, because memory is the limit; without
momentum there is a loop that does not read the buffer.

Imports: NumPy, Numba, gemm, threads; the check of arguments from ``reference``. Read next: ``random.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array, Arrays
from minigen_kernels.cpu.gemm import transposed
from minigen_kernels.cpu.jit import FASTMATH
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference import optim
from minigen_kernels.reference.optim import REALS, check_update, each

#: What each update changes besides the parameter, by the names of the arguments.
STATES = {
    "sgd_update": ("momentum_buffer",), "rmsprop_update": ("square_avg", "momentum_buffer"), "adam_update": ("m", "v")
}  # fmt: skip


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
    if isinstance(p, list):
        return each(sgd_update, [p, g, momentum_buffer], lr, momentum, nesterov, weight_decay)
    if not momentum:
        _sgd(*_flat("sgd_update", p, g), float(lr), float(weight_decay))
        return
    flat = _flat("sgd_update", p, g, momentum_buffer)
    # The step is lr * (own * g + momentum * buffer) with Nesterov, lr * buffer without.
    own, kept = (1.0, float(momentum)) if nesterov else (0.0, 1.0)
    _sgd_momentum(*flat, float(lr), float(momentum), own, kept, float(weight_decay))


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
    if isinstance(p, list):
        return each(rmsprop_update, [p, g, square_avg, momentum_buffer], lr, alpha, eps, momentum, weight_decay)
    scalars = (float(lr), float(alpha), float(1 - alpha), float(eps), float(weight_decay))
    if not momentum:
        _rmsprop(*_flat("rmsprop_update", p, g, square_avg), *scalars)
        return
    _rmsprop_momentum(*_flat("rmsprop_update", p, g, square_avg, momentum_buffer), *scalars, float(momentum))


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
    if isinstance(p, list):
        return each(adam_update, [p, g, m, v], step, lr, beta1, beta2, eps, weight_decay, decoupled)
    flat = _flat("adam_update", p, g, m, v)
    if step < 1:
        raise ValueError(f"adam_update: step counts from 1, got {step}")
    lr, beta1, beta2, eps = float(lr), float(beta1), float(beta2), float(eps)
    shrink, decay = (1.0 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
    step_size = lr / (1 - beta1**step)
    root_scale = 1 / math.sqrt(1 - beta2**step)
    _adam(*flat, step_size, root_scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, shrink, decay)


def clip_norm(g: Arrays, max_norm: float) -> tuple[Arrays, Array]:
    """All gradients times min(1, max_norm / (norm + 1e-6)), and the norm over all of them, shape ()."""
    return optim.clip_norm(g, max_norm)


def _flat(name: str, p: Array, g: Array, *state: Array) -> list[Array]:
    """Check the arguments; p, g and the state as flat arrays: views, except for a g of other strides."""
    shape, dtype = p.shape, p.dtype
    good = g.shape == shape and g.dtype is dtype and dtype in REALS
    for array in (p, *state):  # flags.carray: C-contiguous, and may be changed
        good = good and array.flags.carray and array.shape == shape and array.dtype is dtype
    if not good:  # which of them is it?
        named = dict(zip(STATES[name], state))
        check_update(name, p, g, **named)
        for argument, array in {"p": p, **named}.items():
            if not array.flags.writeable:
                raise ValueError(f"{name}: {argument} is changed in place, but is a read-only array")
    if not g.flags.c_contiguous:
        g = transposed(g.T) if g.ndim == 2 and g.flags.f_contiguous else np.ascontiguousarray(g)
    arrays = [p, g, *state]
    return arrays if len(shape) == 1 else [array.reshape(-1) for array in arrays]


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _sgd(p: Array, g: Array, lr: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, decay = real(lr), real(decay)
    for i in range(p.size):
        p[i] -= lr * (g[i] + decay * p[i])


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _sgd_momentum(p: Array, g: Array, buffer: Array, lr: Any, momentum: Any, own: Any, kept: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, momentum, own, kept, decay = real(lr), real(momentum), real(own), real(kept), real(decay)
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        bi = momentum * buffer[i] + gi
        buffer[i] = bi
        p[i] -= lr * (own * gi + kept * bi)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _rmsprop(p: Array, g: Array, square_avg: Array, lr: Any, alpha: Any, rest: Any, eps: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, alpha, rest, eps, decay = real(lr), real(alpha), real(rest), real(eps), real(decay)
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        si = alpha * square_avg[i] + rest * (gi * gi)
        square_avg[i] = si
        p[i] -= lr * gi / (math.sqrt(si) + eps)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _rmsprop_momentum(
    p: Array,
    g: Array,
    square_avg: Array,
    buffer: Array,
    lr: Any,
    alpha: Any,
    rest: Any,
    eps: Any,
    decay: Any,
    momentum: Any,
) -> None:
    real = p.dtype.type
    lr, alpha, rest, eps, decay, momentum = real(lr), real(alpha), real(rest), real(eps), real(decay), real(momentum)
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        si = alpha * square_avg[i] + rest * (gi * gi)
        square_avg[i] = si
        bi = momentum * buffer[i] + gi / (math.sqrt(si) + eps)
        buffer[i] = bi
        p[i] -= lr * bi


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step_size: Any,
    root_scale: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    eps: Any,
    shrink: Any,
    decay: Any,
) -> None:
    real = p.dtype.type
    step_size, root_scale, beta1, rest1, beta2, rest2, eps, shrink, decay = (
        real(step_size),
        real(root_scale),
        real(beta1),
        real(rest1),
        real(beta2),
        real(rest2),
        real(eps),
        real(shrink),
        real(decay),
    )
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        mi = beta1 * m[i] + rest1 * gi
        vi = beta2 * v[i] + rest2 * (gi * gi)
        m[i] = mi
        v[i] = vi
        p[i] = shrink * p[i] - step_size * mi / (math.sqrt(vi) * root_scale + eps)
