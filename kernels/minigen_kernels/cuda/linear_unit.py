"""Linear units - silu, gelu, mish, hardswish, elu, selu, celu - in CUDA.

Imports: ``launch.py``; from ``reference`` the names of the units, and the checks. Specification: the same file there.
Read next: ``linear_unit.cu``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.linear_unit import UNITS, check_unit


def linear_unit(x: Array, unit: str) -> Array:
    """The unit of each element: x times its gate, a number from 0 to 1 that rises with x."""
    code, y = UNITS.index(check_unit("linear_unit", unit)), empty(x.shape, x.dtype)
    launch("linear_unit.cu", "linear_unit_kernel", blocks_for(x.size), THREADS, contiguous(x), code, y, x.size)
    return y


def linear_unit_backward(gy: Array, x: Array, unit: str) -> Array:
    """gx = gy times the derivative of the unit at x."""
    check_like("linear_unit_backward", gy, x=x)
    code, gx = UNITS.index(check_unit("linear_unit_backward", unit)), empty(x.shape, x.dtype)
    operands = contiguous(gy), contiguous(x), code, gx, x.size
    launch("linear_unit.cu", "linear_unit_backward_kernel", blocks_for(x.size), THREADS, *operands)
    return gx


def elu(x: Array, positive: float, negative: float, rate: float) -> Array:
    """positive * x where x > 0, else negative * (exp(rate * x) - 1)."""
    y = empty(x.shape, x.dtype)
    operands = contiguous(x), positive, negative, rate, y, x.size
    launch("linear_unit.cu", "elu_kernel", blocks_for(x.size), THREADS, *operands)
    return y


def elu_backward(gy: Array, x: Array, positive: float, negative: float, rate: float) -> Array:
    """gx = gy times positive where x > 0, else times negative * rate * exp(rate * x)."""
    check_like("elu_backward", gy, x=x)
    gx = empty(x.shape, x.dtype)
    operands = contiguous(gy), contiguous(x), positive, negative, rate, gx, x.size
    launch("linear_unit.cu", "elu_backward_kernel", blocks_for(x.size), THREADS, *operands)
    return gx
