"""Losses on the CPU: the elements are summed as they are computed, without an array for all of them.

float32 elements are summed in float32 over short runs, in as many partial sums as a vector register has lanes (so at
most some twenty roundings follow each other), and the sums of the runs in float64: converting every element would cost
a third of the time. Runs and pieces (``threads.py``) depend only on the number of elements. For float64 and exp see
``elementwise.py``.

Imports: NumPy, Numba, exponential, threads; from ``reference`` the specification of the same file, and its checks.
Read next: ``elementwise.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array, reference
from minigen_kernels.cpu import elementwise
from minigen_kernels.cpu.exponential import exp, log1p, sigmoid
from minigen_kernels.cpu.jit import FASTMATH, njit_cached, njit_inner
from minigen_kernels.cpu.threads import PIECE, njit_shared, share
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.loss import check_gradient, check_head

RUN = 512  # elements

#: The series of exp from its square on: 1 / 2!, 1 / 3!, ...; in float32 nine are enough up to 1.
E = tuple(np.float32(1 / math.factorial(k)) for k in range(2, 11))
ELEMENTS = {"contract"}  # the fastmath flags of an element


def bce_with_logits(x: Array, y: Array) -> Array:
    """log(1 + exp(x)) - x y of each element, of any one shape."""
    if x.dtype == np.float64:
        return reference.bce_with_logits(x, y)
    check_like("bce_with_logits", x, y=y)
    out = np.empty(x.shape, x.dtype)
    _bce(_flat(x), _flat(y), out.reshape(-1))
    return out


def bce_with_logits_sum(x: Array, y: Array, scale: float) -> Array:
    """The sum of `bce_with_logits` over all elements, times scale: shape ()."""
    if x.dtype == np.float64:
        return reference.bce_with_logits_sum(x, y, scale)
    check_like("bce_with_logits_sum", x, y=y)
    return _sum(_bce_sum, x, y, scale)


def bce_with_logits_sum_backward(gy: Array, x: Array, y: Array, scale: float) -> Array:
    """Gradient of `bce_with_logits_sum` in x: gx = gy scale (sigmoid(x) - y)."""
    if x.dtype == np.float64:
        return reference.bce_with_logits_sum_backward(gy, x, y, scale)
    check_like("bce_with_logits_sum_backward", x, y=y)
    check_gradient("bce_with_logits_sum_backward", gy, x)
    gx = np.empty(x.shape, x.dtype)
    _bce_backward(_flat(x), _flat(y), gy, float(scale), gx.reshape(-1))
    return gx


def mse_sum(p: Array, t: Array, scale: float) -> Array:
    """The sum of (p - t)^2 over all elements of any one shape, times scale: shape ()."""
    check_like("mse_sum", p, t=t)
    return _sum(_mse_sum, p, t, scale)


def mse_sum_backward(gy: Array, p: Array, t: Array, scale: float) -> Array:
    """Gradient of `mse_sum` in p: gp = gy scale 2 (p - t); that in t is -gp."""
    check_like("mse_sum_backward", p, t=t)
    check_gradient("mse_sum_backward", gy, p)
    gp = np.empty(p.shape, p.dtype)
    _mse_backward(_flat(p), _flat(t), gy, float(scale), gp.reshape(-1))
    return gp


def huber_sum(p: Array, t: Array, delta: float, scale: float) -> Array:
    """The sum of c (d - c / 2) for d = p - t, and c = d kept within +-delta, times scale: shape ()."""
    check_like("huber_sum", p, t=t)
    return _sum(_huber_sum, p, t, scale, p.dtype.type(delta))


def huber_sum_backward(gy: Array, p: Array, t: Array, delta: float, scale: float) -> Array:
    """Gradient of `huber_sum` in p: gp = gy scale c; that in t is -gp."""
    check_like("huber_sum_backward", p, t=t)
    check_gradient("huber_sum_backward", gy, p)
    gp = np.empty(p.shape, p.dtype)
    _huber_backward(_flat(p), _flat(t), gy, p.dtype.type(delta), float(scale), gp.reshape(-1))
    return gp


def mse_act_sum(x: Array, t: Array, activation: str, scale: float) -> tuple[Array, Array]:
    """`mse_sum` of y = activation(x) and t, and y: the shapes () and that of x. `activation`: "sigmoid" or "tanh"."""
    y = elementwise.sigmoid(x) if check_head("mse_act_sum", activation) else np.tanh(x)
    return mse_sum(y, t, scale), y


def mse_act_sum_backward(gy: Array, y: Array, t: Array, activation: str, scale: float) -> Array:
    """Gradient of `mse_act_sum` in x, told from y."""
    slope = y * (1 - y) if check_head("mse_act_sum_backward", activation) else 1 - y * y
    return mse_sum_backward(gy, y, t, scale) * slope


def gaussian_kl_sum(mean: Array, logvar: Array, scale: float) -> Array:
    """The sum of KL(N(mean, exp(logvar)) || N(0, 1)) over all elements of any one shape, times scale: shape ()."""
    if mean.dtype == np.float64:
        return reference.gaussian_kl_sum(mean, logvar, scale)
    check_like("gaussian_kl_sum", mean, logvar=logvar)
    return _sum(_gaussian_kl_sum, mean, logvar, scale)


def gaussian_kl_sum_backward(gy: Array, mean: Array, logvar: Array, scale: float) -> tuple[Array, Array]:
    """Gradients of `gaussian_kl_sum`: gy scale mean, and gy scale expm1(logvar) / 2."""
    if mean.dtype == np.float64:
        return reference.gaussian_kl_sum_backward(gy, mean, logvar, scale)
    check_like("gaussian_kl_sum_backward", mean, logvar=logvar)
    check_gradient("gaussian_kl_sum_backward", gy, mean)
    gmean, glogvar = np.empty(mean.shape, mean.dtype), np.empty(mean.shape, mean.dtype)
    _gaussian_kl_backward(_flat(mean), _flat(logvar), gy, float(scale), gmean.reshape(-1), glogvar.reshape(-1))
    return gmean, glogvar


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(-1)


def _sum(kernel: Any, a: Array, b: Array, scale: float, *more: Any) -> Array:
    """What `kernel` makes of two arrays: shape ()."""
    total = np.empty((), a.dtype)
    kernel(_flat(a), _flat(b), *more, float(scale), total)
    return total


# The elements. No operation is reordered here: a large x would swallow the small log1p before x y is subtracted.


@njit_inner(error_model="numpy", fastmath=ELEMENTS)
def _bce_of(x: Any, y: Any) -> Any:
    zero = np.float32(0)
    return (zero if x < zero else x) - x * y + log1p(exp(-abs(x)))  # a NaN stays one


@njit_inner(error_model="numpy", fastmath=ELEMENTS)
def _gaussian_kl_of(mean: Any, logvar: Any) -> Any:
    one, half, variance = np.float32(1), np.float32(0.5), exp(logvar)
    far = variance if variance == logvar else variance - one - logvar  # equals are both infinite
    return half * (mean * mean + (_excess_near_0(logvar) if abs(logvar) < one else far))


@njit_inner(error_model="numpy", fastmath=ELEMENTS)
def _excess_near_0(x: Any) -> Any:
    """exp(x) - 1 - x for |x| < 1."""
    high = E[4] + x * (E[5] + x * (E[6] + x * (E[7] + x * E[8])))
    return x * x * (E[0] + x * (E[1] + x * (E[2] + x * (E[3] + x * high))))


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _bce(x: Array, y: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = _bce_of(x[i], y[i])


# The sums: a place for the sum of each piece. The inner loops get slices, so that they are vectorised (see the end of
# ``norm.py``).


@njit_inner(error_model="numpy")
def _in_order(sums: Array) -> float:
    total = 0.0
    for part in sums:
        total += part
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _bce_run(x: Array, y: Array) -> Any:
    total = np.float32(0)
    for i in range(x.size):
        total += _bce_of(x[i], y[i])
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _bce_part(first: int, last: int, x: Array, y: Array, sums: Array) -> None:
    total = 0.0
    for start in range(first, last, RUN):
        stop = min(start + RUN, last)
        total += _bce_run(x[start:stop], y[start:stop])
    sums[first // PIECE] = total


@njit_cached(error_model="numpy")
def _bce_sum(x: Array, y: Array, scale: float, out: Array) -> None:
    sums = np.empty(-(-x.size // PIECE))
    share(_bce_part, x.size, PIECE, (x, y, sums))
    out[()] = _in_order(sums) * scale


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gaussian_kl_run(mean: Array, logvar: Array) -> Any:
    total = np.float32(0)
    for i in range(mean.size):
        total += _gaussian_kl_of(mean[i], logvar[i])
    return total


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _gaussian_kl_part(first: int, last: int, mean: Array, logvar: Array, sums: Array) -> None:
    total = 0.0
    for start in range(first, last, RUN):
        stop = min(start + RUN, last)
        total += _gaussian_kl_run(mean[start:stop], logvar[start:stop])
    sums[first // PIECE] = total


@njit_cached(error_model="numpy")
def _gaussian_kl_sum(mean: Array, logvar: Array, scale: float, out: Array) -> None:
    sums = np.empty(-(-mean.size // PIECE))
    share(_gaussian_kl_part, mean.size, PIECE, (mean, logvar, sums))
    out[()] = _in_order(sums) * scale


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _mse_part(first: int, last: int, p: Array, t: Array, sums: Array) -> None:
    p, t, total = p[first:last], t[first:last], 0.0
    for i in range(p.size):
        d = p[i] - t[i]
        total += np.float64(d * d)
    sums[first // PIECE] = total


@njit_cached(error_model="numpy")
def _mse_sum(p: Array, t: Array, scale: float, out: Array) -> None:
    sums = np.empty(-(-p.size // PIECE))
    share(_mse_part, p.size, PIECE, (p, t, sums))
    out[()] = _in_order(sums) * scale


@njit_inner(error_model="numpy", fastmath=ELEMENTS)
def _within(d: Any, delta: Any) -> Any:
    return -delta if d < -delta else delta if d > delta else d  # a NaN stays one


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _huber_part(first: int, last: int, p: Array, t: Array, delta: Any, sums: Array) -> None:
    p, t, half, total = p[first:last], t[first:last], p.dtype.type(0.5), 0.0
    for i in range(p.size):
        d = p[i] - t[i]
        c = _within(d, delta)
        total += np.float64(c * (d - c * half))
    sums[first // PIECE] = total


@njit_cached(error_model="numpy")
def _huber_sum(p: Array, t: Array, delta: Any, scale: float, out: Array) -> None:
    sums = np.empty(-(-p.size // PIECE))
    share(_huber_part, p.size, PIECE, (p, t, delta, sums))
    out[()] = _in_order(sums) * scale


# The gradients.


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _bce_backward(x: Array, y: Array, gy: Array, scale: float, gx: Array) -> None:
    factor = x.dtype.type(gy[()] * scale)
    for i in range(x.size):
        gx[i] = (sigmoid(x[i]) - y[i]) * factor


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _mse_backward(p: Array, t: Array, gy: Array, scale: float, gp: Array) -> None:
    factor = p.dtype.type(gy[()] * (2 * scale))
    for i in range(p.size):
        gp[i] = (p[i] - t[i]) * factor


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _huber_backward(p: Array, t: Array, gy: Array, delta: Any, scale: float, gp: Array) -> None:
    factor = p.dtype.type(gy[()] * scale)
    for i in range(p.size):
        gp[i] = _within(p[i] - t[i], delta) * factor


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _gaussian_kl_backward(mean: Array, logvar: Array, gy: Array, scale: float, gmean: Array, glogvar: Array) -> None:
    factor, half = mean.dtype.type(gy[()] * scale), mean.dtype.type(gy[()] * (scale / 2))
    for i in range(mean.size):
        gmean[i] = mean[i] * factor
        v = logvar[i]
        glogvar[i] = (v + _excess_near_0(v) if abs(v) < np.float32(1) else exp(v) - np.float32(1)) * half
