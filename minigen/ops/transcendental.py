"""Functions of one number beyond powers, and none of them an activation: expm1, log1p, sin, cos; and logaddexp of two.

`expm1` and `log1p` are exp and log for what lies near 1: written out, ``exp(x) - 1`` and ``log(1 + x)`` lose the
digits of a small x.

Imports: tensor, elementwise. Read next: ``reduce.py``.
"""

from __future__ import annotations

from minigen.autograd import Function, Tensor, sum_to
from minigen.device import array_module
from minigen.ops.elementwise import exp, sigmoid, where
from minigen_kernels import Array


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

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * cos(self.inputs[0])


class Cos(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).cos(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return -gy * sin(self.inputs[0])


class LogAddExp(Function):
    def forward(self, a: Array, b: Array) -> Array:
        return array_module(a if hasattr(a, "dtype") else b).logaddexp(a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = (x if isinstance(x, Tensor) else Tensor(x, device=y.device, dtype=y.dtype) for x in self.inputs)
        infinite = (a.data == b.data) & (abs(a.data) == float("inf"))  # Inf - Inf would be NaN: there each has a half
        difference = where(infinite, 0.0, a) - where(infinite, 0.0, b)
        return (
            sum_to(gy * sigmoid(difference), a.shape) if self.needs(0) else None,
            sum_to(gy * sigmoid(-difference), b.shape) if self.needs(1) else None,
        )


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


def logaddexp(a: Tensor | float, b: Tensor | float) -> Tensor:
    """log(exp(a) + exp(b)), element by element, without overflow; a and b are broadcast."""
    return LogAddExp.apply(a, b)


__all__ = ["cos", "expm1", "log1p", "logaddexp", "sin"]
