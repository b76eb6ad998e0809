"""Activations: relu and its relatives. `tanh`, `sigmoid` and `softplus` are in ``transcendental.py``.

Where the derivative has a jump (relu at 0), the mask is a constant, and so is its derivative everywhere.

Imports: autograd, elementwise, reduce, shape, transcendental, kernels. Read next: ``bias_act.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.elementwise import clip, where
from minigen.ops.reduce import broadcast_to
from minigen.ops.shape import reshape
from minigen.ops.transcendental import erfc, exp, expm1, sigmoid
from minigen.shapes import one_number, one_of
from minigen_kernels import Array, as_ncl, for_array

#: With these, layers of `selu` keep mean 0 and variance 1: Klambauer et al. 2017, equation 14.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


class Relu(Function):
    def forward(self, x: Array) -> Array:
        if x.dtype.kind != "f":
            return array_module(x).maximum(x, 0)
        return for_array(x).leaky_relu(x, 0.0)  # a NaN stays one

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Relu", x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return LeakyReluGradient.apply(gy, self.inputs[0], slope=0.0)


class LeakyRelu(Function):
    slope: float

    def forward(self, x: Array) -> Array:
        return for_array(x).leaky_relu(x, self.slope)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.leaky_relu(x, self.slope)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return LeakyReluGradient.apply(gy, self.inputs[0], slope=self.slope)


class LeakyReluGradient(Function):
    """gy where x > 0, slope * gy elsewhere: linear in gy, and its own gradient; in x constant between its jumps.

    With a slope of at least 0, the result of leaky ReLU has the signs of its argument, and may take its place as x.
    """

    one_dtype = True
    slope: float

    def forward(self, gy: Array, x: Array) -> Array:
        return for_array(gy).leaky_relu_backward(gy, x, self.slope)

    def backward(self, ggx: Tensor, gx: Tensor) -> tuple[Tensor, None]:
        return LeakyReluGradient.apply(ggx, self.inputs[1], slope=self.slope), None


class Elu(FusedFunction):
    """positive * x where x > 0, else negative * (exp(rate * x) - 1)."""

    positive: float
    negative: float
    rate: float

    def forward(self, x: Array) -> Array:
        return for_array(x).elu(x, self.positive, self.negative, self.rate)

    def onnx(self, graph: Any, x: Any) -> Any:
        if self.positive == self.rate == 1:
            return graph.node("Elu", x, alpha=self.negative)
        return super().onnx(graph, x)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return for_array(gy).elu_backward(gy, self.inputs[0].data, self.positive, self.negative, self.rate)

    def definition(self, x: Tensor) -> Tensor:
        below = where(x > 0, 0.0, x)  # what is computed of it and not chosen cannot overflow
        return where(x > 0, x * self.positive, expm1(below * self.rate) * self.negative)


class LinearUnit(FusedFunction):
    """x times a gate that rises with x from 0 to 1; DEFINITIONS says which."""

    unit: str

    def forward(self, x: Array) -> Array:
        return for_array(x).linear_unit(x, self.unit)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return for_array(gy).linear_unit_backward(gy, self.inputs[0].data, self.unit)

    def definition(self, x: Tensor) -> Tensor:
        return DEFINITIONS[self.unit](x)


class Prelu(FusedFunction):
    """x (N, C, ...), w (C,): x where x > 0, else w x."""

    one_dtype = True

    def forward(self, x: Array, w: Array) -> Array:
        return for_array(x).prelu(as_ncl(x), w).reshape(x.shape)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, Array]:
        x, w = (t.data for t in self.inputs)
        gx, gw = for_array(x).prelu_backward(as_ncl(gy), as_ncl(x), w)
        return gx.reshape(x.shape), gw

    def definition(self, x: Tensor, w: Tensor) -> Tensor:
        slopes = reshape(w, (-1, *(1,) * (x.ndim - 2)))
        return where(x > 0, x, where(x > 0, 0.0, x) * slopes)  # nothing that is not chosen can be infinite


def _mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x)), written so that e never overflows and nothing cancels: reference/linear_unit.py."""
    above = x > 0
    e = exp(where(above, -x, x))
    square = e * e * 2
    return x * where(above, 1 - square / (e * 2 + square + 1), e * (e + 2) / (e * (e + 2) + 2))


def _hardswish(x: Tensor) -> Tensor:
    inner = clip(x, -3, 3)
    return where(x >= 3, x, inner * (inner + 3) * (1 / 6))


DEFINITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * erfc(x * -math.sqrt(0.5)) * 0.5,  # 1 + erf(u) is erfc(-u), which keeps its digits
    "gelu_tanh": lambda x: x * sigmoid((x + x**3 * 0.044715) * math.sqrt(8 / math.pi)),  # (1 + tanh(u)) / 2
    "mish": _mish,
    "hardswish": _hardswish,
}


def relu(x: Tensor) -> Tensor:
    """max(x, 0); the gradient at 0 is 0."""
    return Relu.apply(x)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """The element x where x > 0, else slope * x (Maas et al. 2013)."""
    return LeakyRelu.apply(x, slope=float(one_number("leaky_relu", "slope", slope)))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """The element x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, arXiv:1511.07289)."""
    return Elu.apply(x, positive=1.0, negative=float(one_number("elu", "alpha", alpha)), rate=1.0)


def gelu(x: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """The element x times the normal distribution function of x, exact or in its tanh form (arXiv:1606.08415)."""
    one_of("gelu", "approximate", approximate, ("none", "tanh"))
    return LinearUnit.apply(x, unit="gelu" if approximate == "none" else "gelu_tanh")


def silu(x: Tensor) -> Tensor:
    """The product x * sigmoid(x), also called swish (arXiv:1702.03118)."""
    return LinearUnit.apply(x, unit="silu")


def mish(x: Tensor) -> Tensor:
    """The product x * tanh(softplus(x)) (Misra 2019, arXiv:1908.08681)."""
    return LinearUnit.apply(x, unit="mish")


def hardswish(x: Tensor) -> Tensor:
    """The product x * min(max(x + 3, 0), 6) / 6, a piecewise `silu` (Howard et al. 2019, arXiv:1905.02244)."""
    return LinearUnit.apply(x, unit="hardswish")


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """The element x where x > 0, else alpha * (exp(x / alpha) - 1), of slope 1 at 0 (Barron 2017, arXiv:1704.07483)."""
    alpha = one_number("celu", "alpha", alpha)
    if not alpha > 0:
        raise ValueError(f"celu: alpha must be above 0, got {alpha}")
    return Elu.apply(x, positive=1.0, negative=float(alpha), rate=1 / float(alpha))


def selu(x: Tensor) -> Tensor:
    """The scaled `elu` whose layers keep mean 0 and variance 1 (Klambauer et al. 2017, arXiv:1706.02515)."""
    return Elu.apply(x, positive=SELU_SCALE, negative=SELU_SCALE * SELU_ALPHA, rate=1.0)


def prelu(x: Tensor, w: Tensor) -> Tensor:
    """The element x where x > 0, else w * x: `leaky_relu` with a slope that is trained.

    `w` is (1,), one slope for all, or (C,), one for each channel of x (N, C, ...). He et al. 2015, arXiv:1502.01852.
    """
    x, w = as_tensor(x), as_tensor(w)
    channels = x.shape[1:2]
    if w.shape not in ((1,), channels):
        wanted = f"(1,) or one slope for each channel, {channels}," if channels else "(1,)"
        raise ValueError(f"prelu: expected w {wanted} for x {x.shape}, got {w.shape}")
    if x.ndim < 2:
        return reshape(Prelu.apply(reshape(x, (1, 1, x.size)), w), x.shape)
    return Prelu.apply(x, w if w.shape == channels else broadcast_to(w, channels))


__all__ = ["celu", "elu", "gelu", "hardswish", "leaky_relu", "mish", "prelu", "relu", "selu", "silu"]
