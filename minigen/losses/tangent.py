"""exp(x) - 1 - x and x - log(1 + x): exp and log minus their tangents at 0. The divergences are made of these.

Both are x^2 / 2 near 0, where the direct formula would lose all digits and might be negative. The kernels use a series
there. The second is -log1pmx(x) in R and Boost.

Imports: autograd, ops, kernels. Read next: ``divergence.py``.
"""

from __future__ import annotations

from typing import Any

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen_kernels import Array, for_array


class ExpExcess(Function):
    """exp(x) - 1 - x; its derivative is expm1(x)."""

    def forward(self, x: Array) -> Array:
        return for_array(x).exp_excess(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.exp_excess(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * ops.expm1(self.inputs[0])


class LogDeficit(Function):
    """x - log(1 + x); its derivative is x / (1 + x)."""

    def forward(self, x: Array) -> Array:
        return for_array(x).log_deficit(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.log_deficit(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * (x / (x + 1))


def exp_excess(x: Tensor) -> Tensor:
    """exp(x) - 1 - x, at least 0: exp minus its tangent at 0. Accurate for every x."""
    return ExpExcess.apply(x)


def log_deficit(x: Tensor) -> Tensor:
    """x - log(1 + x), x > -1, at least 0: the tangent of log(1 + x) at 0 minus log(1 + x). Accurate."""
    return LogDeficit.apply(x)
