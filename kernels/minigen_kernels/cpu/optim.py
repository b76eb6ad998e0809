"""Optimizer updates on the CPU: one call for all parameters, and one pass over memory for each.

The scalars are rounded to the dtype of the parameter before the loop: one float64 scalar inside
would turn a float32 loop into float64 arithmetic, at half the speed. They are rounded by the
compiled code, which takes a nanosecond; NumPy takes a hundred for each. Without weight decay the
same loop runs with a factor 0 or 1, which costs nothing, because memory is the limit; without
momentum there is a loop that does not read the buffer.

Imports: NumPy, Numba, gemm, many, threads; the check of arguments from ``reference``. Read next: ``random.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array, Arrays
from minigen_kernels.cpu.gemm import transposed
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.many import njit_many, places, table
from minigen_kernels.cpu.threads import PIECE, njit_shared, share
from minigen_kernels.reference.optim import check_update

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
    numbers = float(lr), float(weight_decay)
    if not momentum:
        _run(_sgd, "sgd_update", [p, g], *numbers)
        return
    # The step is lr * (own * g + momentum * buffer) with Nesterov, lr * buffer without.
    own, kept = (1.0, float(momentum)) if nesterov else (0.0, 1.0)
    _run(_sgd_momentum, "sgd_update", [p, g, momentum_buffer], *numbers, float(momentum), own, kept)


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
    numbers = float(lr), float(alpha), float(1 - alpha), float(eps), float(weight_decay)
    if not momentum:
        _run(_rmsprop, "rmsprop_update", [p, g, square_avg], *numbers)
        return
    _run(_rmsprop_momentum, "rmsprop_update", [p, g, square_avg, momentum_buffer], *numbers, float(momentum))


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
    lr, beta1, beta2, eps = float(lr), float(beta1), float(beta2), float(eps)
    shrink, decay = (1.0 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
    step_size = lr / (1 - beta1**step)
    root_scale = 1 / math.sqrt(1 - beta2**step)
    _run(
        _adam, "adam_update", [p, g, m, v], step_size, root_scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, shrink,
        decay,
    )  # fmt: skip


def clip_norm(g: Arrays, max_norm: float) -> tuple[Arrays, Array]:
    """All gradients times min(1, max_norm / (norm + 1e-6)), and the norm over all of them, shape ()."""
    if not isinstance(g, list):
        (one,), alone = clip_norm([g], max_norm)
        return one, alone
    orders = [sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis])) for a in g]  # that of memory
    inner_last = [a.transpose(order) for a, order in zip(g, orders)]
    lines = [a.reshape(-1) for a in inner_last]
    with np.errstate(over="ignore"):  # the norm of float32 may be Inf
        norm = np.asarray(math.sqrt(sum(map(_square_sum, lines))), np.result_type(*g))
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
    clipped = []
    for a, line, order in zip(inner_last, lines, orders):
        y = np.empty(a.shape, a.dtype)
        _scale(line, a.dtype.type(factor), y.reshape(-1))
        clipped.append(y.transpose(np.argsort(order)))
    return clipped, norm


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _square_sum_of(x: Array) -> float:
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    return total


@njit_inner(error_model="numpy")
def _square_sum_part(first: int, last: int, x: Array, parts: Array) -> None:
    for k in range(first, last):
        parts[k] = _square_sum_of(x[k * PIECE : (k + 1) * PIECE])


@njit_cached(error_model="numpy")
def _square_sum(x: Array) -> float:
    parts = np.empty(-(-x.size // PIECE))
    share(_square_sum_part, parts.size, 1, (x, parts))
    return parts.sum()


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _scale(x: Array, factor: Any, y: Array) -> None:
    for i in range(x.size):
        y[i] = x[i] * factor


def _run(kernel: Any, name: str, arrays: list[Arrays], *numbers: float) -> None:
    """Call a kernel of `many.njit_many` for p, g and the state: arrays, or lists of them."""
    p, g, *state = [a if isinstance(a, list) else [a] for a in arrays]
    if not p:
        return
    kept = table([p, *state], lambda: _check(name, p, g, state))
    dtype, right = kept.like.dtype, len(g) == len(p)
    for a, shape in zip(g, kept.shapes):
        if a.shape != shape or a.dtype is not dtype:
            right = False
        elif not a.flags.c_contiguous:
            g = [_in_order(a) for a in g]  # of other shapes, _check finds
    if not right:
        _check(name, p, g, state)
    kernel(kept.like, kept.pieces, places(g), *numbers)


def _check(name: str, p: list[Array], g: list[Array], state: list[list[Array]]) -> None:
    """Raise ValueError unless the kernel can change these arrays."""
    for one, gradient, *others in zip(p, g, *state, strict=True):
        named = dict(zip(STATES[name], others))
        check_update(name, one, gradient, **named)
        for argument, array in {"p": one, **named}.items():
            if not array.flags.writeable:
                raise ValueError(f"{name}: {argument} is changed in place, but is a read-only array")
        if one.dtype != p[0].dtype:
            raise ValueError(f"{name}: arrays of one call have one dtype, got {p[0].dtype} and {one.dtype}")


def _in_order(g: Array) -> Array:
    """A gradient with its numbers in order."""
    return transposed(g.T) if g.ndim == 2 and g.flags.f_contiguous else np.ascontiguousarray(g)


@njit_many(error_model="numpy", fastmath=FASTMATH)
def _sgd(p: Array, g: Array, lr: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, decay = real(lr), real(decay)
    for i in range(p.size):
        p[i] -= lr * (g[i] + decay * p[i])


@njit_many(error_model="numpy", fastmath=FASTMATH)
def _sgd_momentum(p: Array, g: Array, buffer: Array, lr: Any, decay: Any, momentum: Any, own: Any, kept: Any) -> None:
    real = p.dtype.type
    lr, momentum, own, kept, decay = real(lr), real(momentum), real(own), real(kept), real(decay)
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        bi = momentum * buffer[i] + gi
        buffer[i] = bi
        p[i] -= lr * (own * gi + kept * bi)


@njit_many(error_model="numpy", fastmath=FASTMATH)
def _rmsprop(p: Array, g: Array, square_avg: Array, lr: Any, alpha: Any, rest: Any, eps: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, alpha, rest, eps, decay = real(lr), real(alpha), real(rest), real(eps), real(decay)
    for i in range(p.size):
        gi = g[i] + decay * p[i]
        si = alpha * square_avg[i] + rest * (gi * gi)
        square_avg[i] = si
        p[i] -= lr * gi / (math.sqrt(si) + eps)


@njit_many(error_model="numpy", fastmath=FASTMATH)
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


@njit_many(error_model="numpy", fastmath=FASTMATH)
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
