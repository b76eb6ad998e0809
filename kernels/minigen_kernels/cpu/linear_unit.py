"""Linear units - silu, gelu, mish, hardswish, elu, selu, celu - forward and backward, in one pass over memory each.

Each unit has loops of its own, which are compiled when it is first used.

Imports: Numba, exponential, elementwise, threads; from ``reference`` the names of the units, and the checks.
Read next: ``loss.py``.
"""

from __future__ import annotations

from typing import Any

from minigen_kernels import Array
from minigen_kernels.cpu.elementwise import each, each_backward
from minigen_kernels.cpu.exponential import exp, expm1, normal, sigmoid
from minigen_kernels.cpu.jit import FASTMATH
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.linear_unit import CUBIC, FLAT, STEEP, check_unit


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _silu(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = x[i] * sigmoid(x[i])


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _silu_backward(gy: Array, x: Array, gx: Array) -> None:
    one = x.dtype.type(1)
    for i in range(x.size):
        s = sigmoid(x[i])
        gx[i] = gy[i] * (s + x[i] * (s * (one - s)))


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _gelu(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = x[i] * normal(x[i])[0]


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _gelu_backward(gy: Array, x: Array, gx: Array) -> None:
    for i in range(x.size):
        below, density = normal(x[i])
        gx[i] = gy[i] * (below + x[i] * density)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _gelu_tanh(x: Array, y: Array) -> None:
    steep, cubic = x.dtype.type(STEEP), x.dtype.type(STEEP * CUBIC)
    for i in range(x.size):
        y[i] = x[i] * sigmoid(x[i] * (steep + cubic * x[i] * x[i]))


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _gelu_tanh_backward(gy: Array, x: Array, gx: Array) -> None:
    steep, cubic, flat = x.dtype.type(STEEP), x.dtype.type(STEEP * CUBIC), x.dtype.type(FLAT)
    one, three = x.dtype.type(1), x.dtype.type(3)
    for i in range(x.size):
        near = -flat if x[i] < -flat else flat if x[i] > flat else x[i]
        square = cubic * near * near
        s = sigmoid(near * (steep + square))
        gx[i] = gy[i] * (s + x[i] * (s * (one - s) * (steep + three * square)))


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _mish(x: Array, y: Array) -> None:
    zero, one, two = x.dtype.type(0), x.dtype.type(1), x.dtype.type(2)
    for i in range(x.size):
        e = exp(-abs(x[i]))
        above, below = one + two * e * (one + e), e * (e + two) + two
        y[i] = x[i] * (one - two * e * e / above if x[i] > zero else e * (e + two) / below)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _mish_backward(gy: Array, x: Array, gx: Array) -> None:
    zero, one, two, four = x.dtype.type(0), x.dtype.type(1), x.dtype.type(2), x.dtype.type(4)
    for i in range(x.size):
        e = exp(-abs(x[i]))
        above, below = one + two * e * (one + e), e * (e + two) + two
        gate = one - two * e * e / above if x[i] > zero else e * (e + two) / below
        slope = four * e * (one + e) * (e / (above * above) if x[i] > zero else one / (below * below))
        gx[i] = gy[i] * (gate + x[i] * slope)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _hardswish(x: Array, y: Array) -> None:
    zero, three, sixth = x.dtype.type(0), x.dtype.type(3), x.dtype.type(1 / 6)
    for i in range(x.size):
        middle = x[i] * (x[i] + three) * sixth  # a NaN stays one
        y[i] = x[i] if x[i] >= three else zero if x[i] < -three else middle


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _hardswish_backward(gy: Array, x: Array, gx: Array) -> None:
    zero, one, two = x.dtype.type(0), x.dtype.type(1), x.dtype.type(2)
    three, sixth = x.dtype.type(3), x.dtype.type(1 / 6)
    for i in range(x.size):
        slope = (two * x[i] + three) * sixth
        gx[i] = gy[i] * (one if x[i] >= three else slope if x[i] >= -three else zero)


#: The loops of a unit, by its name.
LOOPS: dict[str, tuple[Any, Any]] = {
    "silu": (_silu, _silu_backward),
    "gelu": (_gelu, _gelu_backward),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_backward),
    "mish": (_mish, _mish_backward),
    "hardswish": (_hardswish, _hardswish_backward),
}


def linear_unit(x: Array, unit: str) -> Array:
    """The unit of each element: x times its gate, a number from 0 to 1 that rises with x."""
    return each(LOOPS[check_unit("linear_unit", unit)][0], x)


def linear_unit_backward(gy: Array, x: Array, unit: str) -> Array:
    """gx = gy times the derivative of the unit at x."""
    check_like("linear_unit_backward", gy, x=x)
    return each_backward(LOOPS[check_unit("linear_unit_backward", unit)][1], gy, x)


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _elu(x: Array, positive: Any, negative: Any, rate: Any, y: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        below = negative * expm1(rate * (zero if x[i] > zero else x[i]))
        y[i] = positive * x[i] if x[i] > zero else below


@njit_shared(error_model="numpy", fastmath=FASTMATH)
def _elu_backward(gy: Array, x: Array, positive: Any, negative: Any, rate: Any, gx: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        below = negative * rate * exp(rate * (zero if x[i] > zero else x[i]))
        gx[i] = gy[i] * (positive if x[i] > zero else below)


def elu(x: Array, positive: float, negative: float, rate: float) -> Array:
    """positive * x where x > 0, else negative * (exp(rate * x) - 1)."""
    return each(_elu, x, positive, negative, rate)


def elu_backward(gy: Array, x: Array, positive: float, negative: float, rate: float) -> Array:
    """gx = gy times positive where x > 0, else times negative * rate * exp(rate * x)."""
    check_like("elu_backward", gy, x=x)
    return each_backward(_elu_backward, gy, x, positive, negative, rate)
