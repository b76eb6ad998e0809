"""Linear units: activations that grow like x where x is large. Forward, and the gradient from x.

Those of one formula for all x, by name (UNITS): silu, gelu, its tanh form, mish, hardswish. And the exponential ones -
elu, selu, celu - which differ by three numbers. ReLU and leaky ReLU are in ``elementwise.py``.

Imports: NumPy, elementwise, norm. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.elementwise import check_like, erfc, sigmoid
from minigen_kernels.reference.norm import check_norm

UNITS = ("silu", "gelu", "gelu_tanh", "mish", "hardswish")
#: The tanh form of gelu is x sigmoid(STEEP (x + CUBIC x^3)), as (1 + tanh(u)) / 2 = sigmoid(2 u): arXiv:1606.08415.
STEEP, CUBIC = math.sqrt(8 / math.pi), 0.044715
#: Beyond, that sigmoid is 0 or 1 in every dtype, and its derivative 0.
FLAT = 30.0


def linear_unit(x: Array, unit: str) -> Array:
    """The unit of each element: x times its gate, a number from 0 to 1 that rises with x."""
    return _hardswish(x)[0] if check_unit("linear_unit", unit) == "hardswish" else x * _gate(x, unit)[0]


def linear_unit_backward(gy: Array, x: Array, unit: str) -> Array:
    """gx = gy times the derivative of the unit at x: its gate, and x times the gate's slope."""
    check_like("linear_unit_backward", gy, x=x)
    if check_unit("linear_unit_backward", unit) == "hardswish":
        return gy * _hardswish(x)[1]
    gate, slope = _gate(x, unit)
    return gy * (gate + x * slope)


def check_unit(what: str, unit: str) -> str:
    """The unit; ValueError unless it is one of UNITS. All versions call this."""
    if unit not in UNITS:
        raise ValueError(f"{what}: unit is one of {', '.join(UNITS)}, got {unit!r}")
    return unit


def _gate(x: Array, unit: str) -> tuple[Array, Array]:
    """What x is multiplied by, and its derivative."""
    if unit == "silu":
        s = sigmoid(x)
        return s, s * (1 - s)
    if unit == "gelu":
        density = np.exp(-x * x / 2) * (1 / math.sqrt(2 * math.pi))
        return erfc(x * -math.sqrt(0.5)) / 2, density
    if unit == "gelu_tanh":
        near = np.clip(x, -FLAT, FLAT)
        s = sigmoid(STEEP * (near + CUBIC * near * near * near))
        return s, s * (1 - s) * (STEEP * (1 + 3 * CUBIC * near * near))
    # mish: with e = exp(-|x|) the tanh of log(1 + exp(x)) is 1 - 2 e^2 / (1 + 2 e + 2 e^2) for x > 0, and
    # e (e + 2) / (e (e + 2) + 2) elsewhere, so nothing overflows, and both tails are exact.
    e = np.exp(-np.abs(x))
    above, below = 1 + 2 * e * (1 + e), e * (e + 2) + 2
    gate = np.where(x > 0, 1 - 2 * e * e / above, e * (e + 2) / below)
    return gate, 4 * e * (1 + e) * np.where(x > 0, e / (above * above), 1 / (below * below))


def _hardswish(x: Array) -> tuple[Array, Array]:
    """x min(max(x + 3, 0), 6) / 6, and its derivative: 1 from 3 on, 0 below -3."""
    inner = np.clip(x, -3, 3)
    slope = np.where(x >= -3, (2 * x + 3) * x.dtype.type(1 / 6), 0)
    return np.where(x >= 3, x, inner * (inner + 3) * x.dtype.type(1 / 6)), np.where(x >= 3, 1, slope)


def prelu(x: Array, w: Array) -> Array:
    """x where x > 0, else w x, with a slope for each channel: x (N, C, L), w (C,) -> y (N, C, L)."""
    check_norm("prelu", x, x.shape[1], w=w)
    return np.where(x > 0, x, np.minimum(x, 0) * w[:, None])


def prelu_backward(gy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Gradients of `prelu` in x and w: gx = gy where x > 0, else w gy; gw = sum gy x over the other places, (C,)."""
    check_norm("prelu_backward", x, x.shape[1], {"gy": gy}, w=w)
    gw = (gy * np.minimum(x, 0)).sum(axis=(0, 2), dtype=np.float64)
    return np.where(x > 0, gy, gy * w[:, None]), gw.astype(x.dtype)


def elu(x: Array, positive: float, negative: float, rate: float) -> Array:
    """positive * x where x > 0, else negative * (exp(rate * x) - 1).

    elu: 1, alpha, 1. celu: 1, alpha, 1 / alpha. selu: its scale, scale times alpha, 1.
    """
    below = np.minimum(x, 0)
    return np.where(x > 0, x * x.dtype.type(positive), np.expm1(below * x.dtype.type(rate)) * x.dtype.type(negative))


def elu_backward(gy: Array, x: Array, positive: float, negative: float, rate: float) -> Array:
    """gx = gy times positive where x > 0, else times negative * rate * exp(rate * x)."""
    check_like("elu_backward", gy, x=x)
    slope = np.exp(np.minimum(x, 0) * x.dtype.type(rate)) * x.dtype.type(negative * rate)
    return gy * np.where(x > 0, x.dtype.type(positive), slope)
