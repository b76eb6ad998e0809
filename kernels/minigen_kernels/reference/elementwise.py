"""Element-wise functions that NumPy lacks or does slowly, in plain NumPy.

Imports: NumPy. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array, Arrays


def add(a: Arrays, b: Arrays) -> Arrays:
    """a + b, of one shape and dtype; of two lists of arrays, all of one dtype, the list of the sums."""
    firsts, seconds = check_pairs(a, b)
    sums = [np.asarray(x + y) for x, y in zip(firsts, seconds)]
    return sums if isinstance(a, list) else sums[0]


def check_pairs(a: Arrays, b: Arrays) -> tuple[list[Array], list[Array]]:
    """Both as lists; ValueError unless they are alike, pair by pair. All versions call this."""
    firsts, seconds = (a, b) if isinstance(a, list) else ([a], [b])
    kinds = [[(x.shape, x.dtype) for x in arrays] for arrays in (firsts, seconds)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"add: shapes and dtypes {kinds[0]} meet {kinds[1]}; they have to be the same")
    return firsts, seconds


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    return np.array([math.erf(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def erfc(x: Array) -> Array:
    """1 - erf(x) of each element, with all its digits where it is small: twice the normal tail beyond sqrt(2) x."""
    return np.array([math.erfc(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def exp_excess(x: Array) -> Array:
    """exp(x) - 1 - x of each element, never negative: how far exp lies above its tangent at 0.

    For |x| < 1 it is the series x^2 / 2! + x^3 / 3! + ..., in which nothing cancels; 19 factors leave an error below
    1e-18. An infinite exp(x) is infinitely far: inf, and not inf - inf.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        tail = np.ones_like(x)
        for k in range(19, 2, -1):
            tail = tail * x / k + 1
        above = np.expm1(x)
        return np.where(np.abs(x) < 1, x * x / 2 * tail, np.where(above == np.inf, above, above - x))


def log_deficit(x: Array) -> Array:
    """x - log(1 + x) of each element, never negative: how far log(1 + x) lies below its tangent at 0.

    With s = x / (2 + x), log(1 + x) is 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...), and x - 2 s = x s. The series
    serves |x| < 1/2, where s^2 is at most 1/9, and 17 terms leave an error below 1e-17.
    """
    near = np.abs(x) < 0.5
    small = np.where(near, x, 0)
    s = small / (small + 2)
    tail = np.zeros_like(x)
    for k in range(35, 1, -2):
        tail = tail * (s * s) + 1 / k
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(near, small * s - 2 * s * s * s * tail, x - np.log1p(x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of each element, without overflow and exact in both tails: exp(-|x|) is at most 1."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) of each element, as max(x, 0) + log(1 + exp(-|x|)): without overflow, exact in both tails."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid_backward(gy: Array, y: Array) -> Array:
    """gx = gy y (1 - y) for the result y of `sigmoid`."""
    check_like("sigmoid_backward", gy, y=y)
    return gy * (y * (1 - y))


def tanh_backward(gy: Array, y: Array) -> Array:
    """gx = gy (1 - y^2) for the result y of tanh."""
    check_like("tanh_backward", gy, y=y)
    return gy * (1 - y * y)


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """y = x where the bool array `condition` (of the shape of x) is true, else slope * x; for slope 0 exactly 0.

    The gradient of clip, for one. For leaky relu and its gradient, whose condition is a sign, there are kernels below.
    """
    other = np.zeros_like(x) if slope == 0 else x * x.dtype.type(slope)
    return np.where(condition, x, other)


def leaky_relu(x: Array, slope: float) -> Array:
    """y = x where x > 0, else slope * x; for slope 0 exactly 0, but a NaN stays one."""
    return np.where(x > 0, x, np.where(np.isnan(x), x, 0) if slope == 0 else x * x.dtype.type(slope))


def leaky_relu_backward(gy: Array, x: Array, slope: float) -> Array:
    """gx = gy where x > 0, else slope * gy; for slope 0 exactly 0. With a slope of at least 0, y may stand for x."""
    check_like("leaky_relu_backward", gy, x=x)
    return scale_where(gy, x > 0, slope)


def mix(a: Array, b: Array, weight: Array) -> Array:
    """y_n = w_n a_n + (1 - w_n) b_n: a and b (N, ...) of one shape, weight (N,), a number for each sample."""
    check_mix(a, b, weight)
    w = weight.reshape(-1, *(1,) * (a.ndim - 1))
    return w * a + (1 - w) * b


def check_mix(a: Array, b: Array, weight: Array) -> None:
    """Raise ValueError unless b is like a, and weight has a number of its dtype for each sample."""
    check_like("mix", a, b=b)
    if not a.ndim or weight.shape != a.shape[:1] or weight.dtype != a.dtype:
        raise ValueError(f"mix: weight has {weight.shape} {weight.dtype}, but a of shape {a.shape} is {a.dtype}")


def reparameterize(mean: Array, logvar: Array, noise: Array) -> Array:
    """z = mean + exp(logvar / 2) noise of each element, all of any one shape.

    Where the deviation overflows z is infinite; but noise of exactly 0 moves nothing, however large the deviation.
    """
    check_like("reparameterize", mean, logvar=logvar, noise=noise)
    with np.errstate(over="ignore", invalid="ignore"):
        return mean + _times_deviation(noise, logvar)


def reparameterize_backward(gz: Array, logvar: Array, noise: Array) -> tuple[Array, Array]:
    """Gradients of `reparameterize` in logvar and noise: gz noise exp(logvar / 2) / 2, and gz exp(logvar / 2).

    That in the mean is gz itself. Where gz (or gz noise) is 0, so is the gradient, also beside an infinite deviation.
    """
    check_like("reparameterize_backward", gz, logvar=logvar, noise=noise)
    with np.errstate(over="ignore", invalid="ignore"):
        return _times_deviation(gz * noise / 2, logvar), _times_deviation(gz, logvar)


def _times_deviation(a: Array, logvar: Array) -> Array:
    """The product a exp(logvar / 2), where 0 times infinity is 0."""
    deviation = np.exp(logvar / 2)
    return np.where((a == 0) & ~np.isnan(deviation), 0, a * deviation).astype(a.dtype)


def check_like(name: str, x: Array, /, **others: Array) -> None:
    """Raise ValueError unless the others have the shape and dtype of x.

    All versions call this: compiled code would read past the end of a shorter array.
    """
    for argument, array in others.items():
        if array.shape != x.shape or array.dtype != x.dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, but it must be like the first "
                f"argument, which has {x.shape} and {x.dtype}"
            )
