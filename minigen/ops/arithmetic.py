"""Arithmetic of two operands and of one: + - * / // % ** and the absolute value, element by element.

Each is a Function: arrays forwards, Tensors backwards. These are what Tensor's operators call, so most need no function
of their own. Operands of different shapes are broadcast; the gradient of each is summed back to its shape by `sum_to`.

Imports: autograd, reduce (for `sum_to`), transcendental (for the logarithm in the gradient of a power). Read next:
``shape.py``, ``elementwise.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor
from minigen.device import array_module
from minigen.ops.reduce import sum_to
from minigen.ops.transcendental import Log
from minigen_kernels import Array, for_array

_NUMBERS = (int, float, np.generic)


def _of_two_layouts(a: Any, b: Any) -> bool:
    """Whether one of two arrays of images may be channels last, and the other is not: the kernel makes them alike."""
    if isinstance(a, _NUMBERS) or isinstance(b, _NUMBERS) or a.ndim != 4 or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(a.flags.c_contiguous != b.flags.c_contiguous)


class Add(Function):
    """a + b."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return for_array(a).add(a, b) if _of_two_layouts(a, b) else a + b

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Add", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(sum_to(gy, x.shape) if self.needs(i) else None for i, x in enumerate(self.inputs))


class Sub(Function):
    """a - b. Not a + (-b): this is one pass over memory instead of two."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Sub", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return sum_to(gy, a.shape) if self.needs(0) else None, -sum_to(gy, b.shape) if self.needs(1) else None


class Mul(Function):
    """a * b, element by element."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Mul", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (sum_to(gy * b, a.shape) if self.needs(0) else None, sum_to(gy * a, b.shape) if self.needs(1) else None)


class Div(Function):
    """a / b. Not a * b**-1, which rounds twice and overflows where b is tiny."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Div", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        ga = gy / b
        return (sum_to(ga, a.shape) if self.needs(0) else None, -sum_to(ga * y, b.shape) if self.needs(1) else None)


class FloorDiv(Function):
    """a // b, rounded down. Between its jumps it is constant, so there is no gradient."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a // b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[None, None]:
        return None, None


class Remainder(Function):
    """a % b = a - (a // b) b, of the sign of b. The quotient is constant between its jumps."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a % b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(gy, a.shape) if self.needs(0) else None,
            sum_to(-gy * (a // b), b.shape) if self.needs(1) else None,
        )


class Neg(Function):
    """-x."""

    def forward(self, x: Array) -> Array:
        return -x

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Neg", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return -gy


class Abs(Function):
    """|x|."""

    def forward(self, x: Array) -> Array:
        return array_module(x).abs(x)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Abs", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        return gy * Tensor(array_module(x).sign(x))


class Power(Function):
    """a ** b. d/da = b a**(b-1) (0 for b = 0), d/db = a**b log a (0 for a = 0, its limit where b is positive)."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a * a if isinstance(b, (int, float)) and b == 2 else a**b

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        if isinstance(b, (int, float)) and b == 2:
            return graph.node("Mul", a, a)
        return graph.arithmetic("Pow", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        ga = gb = None
        if self.needs(0):
            if isinstance(b, (int, float)):  # 0 * 0**-1 would be NaN; and x**0 takes time
                ga = None if b == 0 else gy if b == 1 else gy * (a * 2 if b == 2 else a ** (b - 1) * b)
            else:  # at 0**0 too 0 * 0**-1 would be NaN: there the exponent is raised to 0
                ga = gy * a ** (b - 1 + Tensor(((a.data == 0) & (b.data == 0)).astype(b.dtype))) * b
            ga = None if ga is None else sum_to(ga, a.shape)
        if self.needs(1):
            if isinstance(a, Tensor):
                log_a: Any = Log.apply(a + Tensor((a.data == 0).astype(a.dtype)))  # log 1 = 0 there
            else:
                log_a = float(np.log(a or 1))
            gb = sum_to(gy * y * log_a, b.shape)
        return ga, gb


def abs(x: Tensor) -> Tensor:
    """The absolute value; the gradient at 0 is 0."""
    return Abs.apply(x)


def power(a: Any, b: Any) -> Tensor:
    """`a ** b`, element by element; base and exponent are Tensors or numbers. The gradient in `b` needs a >= 0."""
    return Power.apply(a, b)


__all__ = ["abs", "power"]
