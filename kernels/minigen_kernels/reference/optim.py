"""Optimizer updates, the obvious NumPy version: one step of SGD, RMSprop and Adam, in place.

The formulas, the order of their terms and the place of epsilon are PyTorch's, so that a run can be
compared step by step. Here g is the gradient in p, and <- changes an array that the caller owns.

Parameter and state are changed in place, so they must be C-contiguous arrays of the same shape and
dtype (float32 or float64); the gradient may have any strides. The state starts at zeros.

Several parameters at once: a list in place of each array, all lists of one length and all arrays of
one dtype. The result is that of a call for each; on a GPU it is one launch.

Imports: NumPy. Read next: ``random.py``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable

import numpy as np

from minigen_kernels import Array, Arrays

REALS = (np.dtype(np.float32), np.dtype(np.float64))


def sgd_update(
    p: Arrays,
    g: Arrays,
    momentum_buffer: Arrays,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """Gradient descent with momentum (Polyak 1964; Nesterov's variant after Sutskever et al. 2013).

    ::

        g = g + weight_decay * p
        buffer <- momentum * buffer + g
        p <- p - lr * buffer                        or, nesterov:  p - lr * (g + momentum * buffer)

    With momentum 0 this is plain descent; the buffer is then left alone and may be empty. Both are derived in
    docs/guide/11_optimizers.md.
    """
    if isinstance(p, list):
        return each(sgd_update, [p, g, momentum_buffer], lr, momentum, nesterov, weight_decay)
    state = {"momentum_buffer": momentum_buffer} if momentum else {}
    check_update("sgd_update", p, g, **state)
    g = g + weight_decay * p
    if momentum:
        momentum_buffer[...] = momentum * momentum_buffer + g
        g = g + momentum * momentum_buffer if nesterov else momentum_buffer
    p[...] = p - lr * g


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
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5), with epsilon outside of the root.

    ::

        g = g + weight_decay * p
        square_avg <- alpha * square_avg + (1 - alpha) * g^2
        d = g / (sqrt(square_avg) + eps)
        buffer <- momentum * buffer + d
        p <- p - lr * buffer

    With momentum 0 the step is lr * d; the buffer is then left alone and may be empty.
    """
    if isinstance(p, list):
        return each(rmsprop_update, [p, g, square_avg, momentum_buffer], lr, alpha, eps, momentum, weight_decay)
    state = {"momentum_buffer": momentum_buffer} if momentum else {}
    check_update("rmsprop_update", p, g, square_avg=square_avg, **state)
    g = g + weight_decay * p
    square_avg[...] = alpha * square_avg + (1 - alpha) * (g * g)
    d = g / (np.sqrt(square_avg) + eps)
    if momentum:
        momentum_buffer[...] = momentum * momentum_buffer + d
        d = momentum_buffer
    p[...] = p - lr * d


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
    """Adam (Kingma and Ba 2015, algorithm 1); decoupled: AdamW (Loshchilov and Hutter 2019).

    ::

        p <- p - lr * weight_decay * p              if decoupled
        g = g + weight_decay * p                    otherwise
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * mhat / (sqrt(vhat) + eps)     mhat = m / (1 - beta1^step), vhat alike

    `step` is the number of this step, from 1 on: m and v start at zero, and the divisions undo
    their bias towards it. Derived in docs/guide/11_optimizers.md.
    """
    if isinstance(p, list):
        return each(adam_update, [p, g, m, v], step, lr, beta1, beta2, eps, weight_decay, decoupled)
    check_update("adam_update", p, g, m=m, v=v)
    if step < 1:
        raise ValueError(f"adam_update: step counts from 1, got {step}")
    if decoupled:
        p[...] = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * (g * g)
    mhat, vhat = m / (1 - beta1**step), v / (1 - beta2**step)
    p[...] = p - lr * mhat / (np.sqrt(vhat) + eps)


def clip_norm(g: Arrays, max_norm: float) -> tuple[Arrays, Array]:
    """All gradients times one factor, so that their norm (L2, over all) is at most `max_norm`; and the norm before, ().

    The factor is min(1, max_norm / (norm + 1e-6)), NaN if the norm is. Each keeps its dtype; the norm has the widest.
    """
    if not isinstance(g, list):
        (one,), norm = clip_norm([g], max_norm)
        return one, norm
    norm = np.sqrt(functools.reduce(operator.add, [np.square(a).sum() for a in g]))
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
    return [a * factor.astype(a.dtype) for a in g], np.asarray(norm)


def each(update: Callable[..., None], lists: list[Arrays], *scalars: float) -> None:
    """Call `update` for each parameter: with the first array of every list, then with the second."""
    for arrays in zip(*lists, strict=True):
        update(*arrays, *scalars)


def check_update(name: str, p: Array, g: Array, **state: Array) -> None:
    """Raise ValueError unless g and the state fit p, and p and the state can be changed in place.

    All versions call this: compiled code would read and write past the end of a shorter array.
    """
    shape, dtype = p.shape, p.dtype
    if dtype not in REALS:
        raise ValueError(f"{name}: p is float32 or float64, got {dtype}")
    for argument, array in {"g": g, **state}.items():
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, but p has {shape} and {dtype}"
            )
    for argument, array in {"p": p, **state}.items():
        if not array.flags.c_contiguous:
            raise ValueError(
                f"{name}: {argument} is changed in place and must be C-contiguous, "
                f"got strides {array.strides} for shape {shape}"
            )
