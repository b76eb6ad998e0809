"""Linear units - silu, gelu, mish, hardswish, elu, selu, celu - in CUDA.

Imports: ``activation.py``, ``launch.py``; from ``reference`` the names of the units, and the checks. Specification: the
same file there.
Read next: ``linear_unit.cu``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.activation import channel_sums
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch, zeros
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.linear_unit import UNITS, check_unit
from minigen_kernels.reference.norm import check_norm


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


def prelu(x: Array, w: Array) -> Array:
    """x where x > 0, else w x: x (N, C, L), w (C,) -> y (N, C, L)."""
    check_norm("prelu", x, x.shape[1], w=w)
    y = empty(x.shape, x.dtype)
    operands = contiguous(x), contiguous(w), y, x.size, x.shape[1], x.shape[2]
    launch("linear_unit.cu", "prelu_kernel", blocks_for(x.size), THREADS, *operands)
    return y


def prelu_backward(gy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Gradients: gy, x (N, C, L), w (C,) -> gx (N, C, L), gw (C,)."""
    check_norm("prelu_backward", x, x.shape[1], {"gy": gy}, w=w)
    gx = empty(x.shape, x.dtype)
    if not x.size:
        return gx, zeros(w.shape, x.dtype)
    gw = empty(w.shape, x.dtype)
    grid, sums = channel_sums(x.shape)
    operands = contiguous(gy), contiguous(x), contiguous(w), gx, gw, *sums
    launch("linear_unit.cu", "prelu_backward_kernel", grid, THREADS, *operands)
    return gx, gw


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
