"""How far exp and log lie from their tangents at 0: what a divergence between two nearly equal distributions is.

Both are squares at heart, x^2 / 2 near 0. Written out, exp(x) - 1 - x subtracts two numbers that agree in all digits
that a small x leaves, and the rest may even be negative. The kernels sum up a series there.

Imports: tensor, ops, kernels. Read next: ``divergence.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen_kernels import Array, for_array


class ExpExcess(Function):
    """exp(x) - 1 - x; its derivative is expm1(x)."""

    def forward(self, x: Array) -> Array:
        return for_array(x).exp_excess(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * ops.expm1(self.inputs[0])


class LogDeficit(Function):
    """x - log(1 + x); its derivative is x / (1 + x)."""

    def forward(self, x: Array) -> Array:
        return for_array(x).log_deficit(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * (x / (x + 1))


def exp_excess(x: Tensor) -> Tensor:
    """exp(x) - 1 - x, never negative: how far exp lies above its tangent at 0. Accurate for every x."""
    return ExpExcess.apply(x)


def log_deficit(x: Tensor) -> Tensor:
    """x - log(1 + x), x > -1, never negative: how far log(1 + x) lies below its tangent at 0. Accurate for every x."""
    return LogDeficit.apply(x)
