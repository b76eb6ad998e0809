"""Element-wise functions that NumPy lacks or does slowly, in Numba.

Functions with exp use NumPy for float64: its exp is vectorised, while compiled loops would call that of the C library
for one number at a time (``exponential.py``).

Imports: NumPy, Numba, exponential, layout, threads; from ``reference`` the specification of the same file, and its
checks. Read next: ``random.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Array, Arrays, reference
from minigen_kernels.cpu.exponential import erf as erf_of
from minigen_kernels.cpu.exponential import erfc as erfc_of
from minigen_kernels.cpu.exponential import exp, log1p
from minigen_kernels.cpu.exponential import sigmoid as sigmoid_of
from minigen_kernels.cpu.jit import FASTMATH, njit_inner
from minigen_kernels.cpu.layout import alike, dense, empty, like, memory
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.elementwise import check_like


def each(kernel: Callable[..., None], x: Array, *numbers: Any) -> Array:
    """The function of one element, and of numbers, that `kernel` writes down for all of a flat array."""
    x = dense(x)
    y = empty(x.shape, x.dtype, x)
    kernel(memory(x), *(x.dtype.type(number) for number in numbers), memory(y))
    return y


def each_backward(kernel: Callable[..., None], gy: Array, x: Array, *numbers: Any) -> Array:
    """The same for a gradient gx, which is made of gy and x."""
    x = dense(x)
    gx = empty(x.shape, x.dtype, x)
    kernel(memory(like(gy, x)), memory(x), *(x.dtype.type(number) for number in numbers), memory(gx))
    return gx


def add(a: Arrays, b: Arrays) -> Arrays:
    """a + b; of two lists of arrays the list of the sums."""
    return reference.add(*(a, b) if isinstance(a, list) or isinstance(b, list) else alike(a, b))


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _erf(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = erf_of(x[i])


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    return each(_erf, x)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _erfc(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = erfc_of(x[i])


def erfc(x: Array) -> Array:
    """1 - erf(x) of each element, with all its digits where it is small."""
    return each(_erfc, x)


#: 1 / 2!, 1 / 3!, ... and 1 / 3, 1 / 5, ...: so many terms are enough in float32 for |x| < 1, and for |s| <= 1 / 3.
E = tuple(np.float32(1 / math.factorial(k)) for k in range(2, 11))
A = tuple(np.float32(1 / k) for k in range(3, 19, 2))
ELEMENTS = {"contract"}  # no reordering: a series is summed from its small terms


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _exp_excess(x: Array, y: Array) -> None:
    one = np.float32(1)
    for i in range(x.size):
        v, above = x[i], exp(x[i])
        far = above if above == v else above - one - v  # equals are both infinite
        high = E[4] + v * (E[5] + v * (E[6] + v * (E[7] + v * E[8])))
        near = v * v * (E[0] + v * (E[1] + v * (E[2] + v * (E[3] + v * high))))
        y[i] = near if abs(v) < one else far


def exp_excess(x: Array) -> Array:
    """exp(x) - 1 - x of each element, by its series near 0."""
    return reference.exp_excess(x) if x.dtype == np.float64 else each(_exp_excess, x)


@njit_shared(error_model="numpy", fastmath=ELEMENTS)
def _log_deficit(x: Array, y: Array) -> None:
    two = np.float32(2)
    for i in range(x.size):
        s = x[i] / (two + x[i])
        t = s * s
        high = A[4] + t * (A[5] + t * (A[6] + t * A[7]))
        y[i] = x[i] * s - two * t * s * (A[0] + t * (A[1] + t * (A[2] + t * (A[3] + t * high))))
    for i in range(x.size):  # a separate loop, because one with a call is not vectorised
        if not np.float32(-0.5) < x[i] < np.float32(1):
            y[i] = x[i] - math.log1p(x[i])


def log_deficit(x: Array) -> Array:
    """x - log(1 + x) of each element, by a series near 0."""
    return reference.log_deficit(x) if x.dtype == np.float64 else each(_log_deficit, x)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _sigmoid(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = sigmoid_of(x[i])


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of each element, without overflow and exact in both tails."""
    return reference.sigmoid(x) if x.dtype == np.float64 else each(_sigmoid, x)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _softplus(x: Array, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = (zero if x[i] < zero else x[i]) + log1p(exp(-abs(x[i])))  # a NaN stays one


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) of each element, without overflow and exact in both tails."""
    return reference.softplus(x) if x.dtype == np.float64 else each(_softplus, x)


@njit_shared(fastmath=FASTMATH)
def _sigmoid_backward(gy: Array, y: Array, gx: Array) -> None:
    one = y.dtype.type(1)
    for i in range(y.size):
        gx[i] = gy[i] * (y[i] * (one - y[i]))


@njit_shared(fastmath=FASTMATH)
def _tanh_backward(gy: Array, y: Array, gx: Array) -> None:
    one = y.dtype.type(1)
    for i in range(y.size):
        gx[i] = gy[i] * (one - y[i] * y[i])


def sigmoid_backward(gy: Array, y: Array) -> Array:
    """gx = gy y (1 - y) for the result y of `sigmoid`."""
    check_like("sigmoid_backward", gy, y=y)
    return each_backward(_sigmoid_backward, gy, y)


def tanh_backward(gy: Array, y: Array) -> Array:
    """gx = gy (1 - y^2) for the result y of tanh."""
    check_like("tanh_backward", gy, y=y)
    return each_backward(_tanh_backward, gy, y)


@njit_shared()
def _scale_where(x: Array, condition: Array, slope: Any, y: Array) -> None:
    for i in range(x.size):
        y[i] = x[i] if condition[i] else slope * x[i]


@njit_shared()
def _keep_where(x: Array, condition: Array, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] if condition[i] else zero


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """y = x where `condition` is true, else slope * x; for slope 0 exactly 0. NumPy's where takes 10 times as long."""
    x = dense(x)
    y = empty(x.shape, x.dtype, x)
    flat, mask = memory(x), memory(like(condition, x))
    if slope == 0:
        _keep_where(flat, mask, memory(y))
    else:
        _scale_where(flat, mask, x.dtype.type(slope), memory(y))
    return y


@njit_shared()
def _leaky_relu(x: Array, slope: Any, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] if x[i] > zero else slope * x[i]


@njit_shared()
def _relu(x: Array, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] < zero else x[i]


def leaky_relu(x: Array, slope: float) -> Array:
    """y = x where x > 0, else slope * x; for slope 0 exactly 0, but a NaN stays one."""
    return each(_relu, x) if slope == 0 else each(_leaky_relu, x, slope)


@njit_shared()
def _leaky_relu_backward(gy: Array, x: Array, slope: Any, gx: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        gx[i] = gy[i] if x[i] > zero else slope * gy[i]


@njit_shared()
def _relu_backward(gy: Array, x: Array, gx: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        gx[i] = gy[i] if x[i] > zero else zero


def leaky_relu_backward(gy: Array, x: Array, slope: float) -> Array:
    """gx = gy where x > 0, else slope * gy; for slope 0 exactly 0."""
    check_like("leaky_relu_backward", gy, x=x)
    return each_backward(_relu_backward, gy, x) if slope == 0 else each_backward(_leaky_relu_backward, gy, x, slope)


def mix(a: Array, b: Array, weight: Array) -> Array:
    """y_n = w_n a_n + (1 - w_n) b_n of samples, (N, ...)."""
    return reference.mix(a, b, weight)


@njit_inner(error_model="numpy", fastmath=FASTMATH)
def _times_deviation(a: Any, logvar: Any) -> Any:
    """The product a exp(logvar / 2), where 0 times infinity is 0."""
    zero, half = np.float32(0), np.float32(0.5)
    deviation = exp(logvar * half)
    return zero if a == zero and deviation == deviation else a * deviation  # a NaN stays one


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _reparameterize(mean: Array, logvar: Array, noise: Array, z: Array) -> None:
    for i in range(z.size):
        z[i] = mean[i] + _times_deviation(noise[i], logvar[i])


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _reparameterize_backward(gz: Array, logvar: Array, noise: Array, glogvar: Array, gnoise: Array) -> None:
    half = np.float32(0.5)
    for i in range(gz.size):
        glogvar[i] = _times_deviation(gz[i] * noise[i] * half, logvar[i])
        gnoise[i] = _times_deviation(gz[i], logvar[i])


def reparameterize(mean: Array, logvar: Array, noise: Array) -> Array:
    """z = mean + exp(logvar / 2) noise of each element, all of any one shape."""
    if mean.dtype == np.float64:
        return reference.reparameterize(mean, logvar, noise)
    check_like("reparameterize", mean, logvar=logvar, noise=noise)
    mean = dense(mean)
    z = empty(mean.shape, mean.dtype, mean)
    _reparameterize(memory(mean), memory(like(logvar, mean)), memory(like(noise, mean)), memory(z))
    return z


def reparameterize_backward(gz: Array, logvar: Array, noise: Array) -> tuple[Array, Array]:
    """Gradients of `reparameterize` in logvar and noise."""
    if gz.dtype == np.float64:
        return reference.reparameterize_backward(gz, logvar, noise)
    check_like("reparameterize_backward", gz, logvar=logvar, noise=noise)
    gz = dense(gz)
    glogvar, gnoise = empty(gz.shape, gz.dtype, gz), empty(gz.shape, gz.dtype, gz)
    given = memory(gz), memory(like(logvar, gz)), memory(like(noise, gz))
    _reparameterize_backward(*given, memory(glogvar), memory(gnoise))
    return glogvar, gnoise
