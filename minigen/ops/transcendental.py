"""Functions of one number: exp, log, sqrt, sin, cos, tanh, sigmoid, softplus, erf.

`expm1` and `log1p` are exp and log for what lies near 1: written out, ``exp(x) - 1`` and ``log(1 + x)`` lose the
digits of a small x.

Imports: autograd, kernels. Read next: ``elementwise.py``.
"""

from __future__ import annotations

import math
from typing import Any

from minigen.autograd import Function, Tensor
from minigen.device import array_module
from minigen_kernels import Array, for_array


class Exp(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).exp(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Exp", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * y


class Log(Function):
    """The natural logarithm."""

    def forward(self, x: Array) -> Array:
        return array_module(x).log(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Log", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / self.inputs[0]


class Sqrt(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).sqrt(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Sqrt", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / (y * 2)


class Expm1(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).expm1(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * exp(self.inputs[0])  # y + 1 is cheaper, and 0 where exp(x) is only small


class Log1p(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).log1p(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / (self.inputs[0] + 1)


class Sin(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).sin(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Sin", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * cos(self.inputs[0])


class Cos(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).cos(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Cos", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return -gy * sin(self.inputs[0])


class Tanh(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).tanh(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Tanh", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return TanhGradient.apply(gy, y)


class TanhGradient(Function):
    """gy (1 - y^2), in one pass over memory."""

    one_dtype = True

    def forward(self, gy: Array, y: Array) -> Array:
        return for_array(gy).tanh_backward(gy, y)

    def backward(self, ggx: Tensor, gx: Tensor) -> tuple[Tensor | None, ...]:
        gy, y = self.inputs
        return (
            TanhGradient.apply(ggx, y) if self.needs(0) else None,
            ggx * gy * y * -2 if self.needs(1) else None,
        )


class Sigmoid(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).sigmoid(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Sigmoid", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return SigmoidGradient.apply(gy, y)


class SigmoidGradient(Function):
    """gy y (1 - y), in one pass over memory."""

    one_dtype = True

    def forward(self, gy: Array, y: Array) -> Array:
        return for_array(gy).sigmoid_backward(gy, y)

    def backward(self, ggx: Tensor, gx: Tensor) -> tuple[Tensor | None, ...]:
        gy, y = self.inputs
        return (
            SigmoidGradient.apply(ggx, y) if self.needs(0) else None,
            ggx * gy * (1 - y * 2) if self.needs(1) else None,
        )


class Softplus(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).softplus(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Softplus", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * sigmoid(self.inputs[0])


class Erf(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).erf(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Erf", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * exp(-x * x) * (2 / math.sqrt(math.pi))


class Erfc(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).erfc(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.erfc(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * exp(-x * x) * (-2 / math.sqrt(math.pi))


def exp(x: Tensor) -> Tensor:
    """The exponential function."""
    return Exp.apply(x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm; -Inf at 0, NaN below."""
    return Log.apply(x)


def sqrt(x: Tensor) -> Tensor:
    """The square root. Its gradient is infinite at 0: where that can happen, add a small number inside."""
    return Sqrt.apply(x)


def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, accurate for every x: near 0 too, where the subtraction would leave nothing."""
    return Expm1.apply(x)


def log1p(x: Tensor) -> Tensor:
    """log(1 + x), accurate for every x: near 0 too, where 1 + x would drop the digits of x. -Inf at -1, NaN below."""
    return Log1p.apply(x)


def sin(x: Tensor) -> Tensor:
    """The sine of an angle in radians."""
    return Sin.apply(x)


def cos(x: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    return Cos.apply(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return Tanh.apply(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow, and exact in both tails."""
    return Sigmoid.apply(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), without overflow."""
    return Softplus.apply(x)


def erf(x: Tensor) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return Erf.apply(x)


def erfc(x: Tensor) -> Tensor:
    """1 - erf(x), with all its digits where that is small, as in the tail of a normal distribution."""
    return Erfc.apply(x)


__all__ = [
    "cos", "erf", "erfc", "exp", "expm1", "log", "log1p", "sigmoid", "sin", "softplus", "sqrt", "tanh",
]  # fmt: skip
