"""ONNX operators that treat each element alone: arithmetic, comparisons, activations, casts.

Each function is named as its operator in small letters, takes the node and its inputs (Tensors, or None where an
optional one is left out; a constant of no axes may be a Python number) and returns what the operator makes.

Imports: autograd, ops, load_node. Read next: ``load_shape.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.onnx.load_node import Node, number

Operator = Callable[..., Any]

FLOATS = {
    1: np.float32,
    11: np.float64,
    10: np.float32,
    16: np.float32,
}  # of half and bfloat16 too: computed in float32
OTHERS = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 12: np.uint32,
          13: np.uint64}  # fmt: skip
DTYPES: dict[int, Any] = {**FLOATS, **OTHERS}  # of TensorProto.DataType


def unary(function: Callable[[Tensor], Tensor]) -> Operator:
    """An operator of one input without attributes."""
    return lambda node, x: function(x)


def _whole(x: Any) -> bool:
    return (x.dtype.kind in "iu") if isinstance(x, Tensor) else isinstance(x, int)


def _div(node: Node, a: Any, b: Any) -> Tensor:
    if not _whole(a if isinstance(a, Tensor) else b):
        return a / b
    quotient = np.abs(a.data if isinstance(a, Tensor) else a) // np.abs(b.data if isinstance(b, Tensor) else b)
    sign = np.sign(a.data if isinstance(a, Tensor) else a) * np.sign(b.data if isinstance(b, Tensor) else b)
    return Tensor(np.asarray(quotient * sign).astype((a if isinstance(a, Tensor) else b).dtype))  # towards 0, as in C


def _pow(node: Node, a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype != b.dtype:  # the result has the dtype of the base
        if a.dtype.kind == "f":
            return a ** b.to(dtype=a.dtype)
        return Tensor(np.power(a.data, b.data).astype(a.dtype))
    if isinstance(b, (int, float)) and isinstance(a, Tensor) and a.dtype.kind in "iu":
        return Tensor(np.power(a.data, b).astype(a.dtype))
    return ops.power(a, int(b) if isinstance(b, float) and b.is_integer() else b)


def _mod(node: Node, a: Any, b: Any) -> Tensor:
    if not node.get("fmod", 0):
        return a % b
    # The remainder has the sign of a: that of C's fmod.
    a, b = (x if isinstance(x, Tensor) else Tensor(np.asarray(x, other.dtype)) for x, other in ((a, b), (b, a)))
    if a.dtype.kind != "f":
        return Tensor(np.fmod(a.data, b.data))
    size = abs(a) % abs(b)
    return ops.where(a < 0, -size, size)


def variadic(function: Callable[[Any, Any], Tensor]) -> Operator:
    """An operator of any number of inputs, taken in order: maximum, sum."""

    def call(node: Node, *values: Any) -> Any:
        result = values[0]
        for value in values[1:]:
            result = function(result, value)
        return result

    return call


def _mean(node: Node, *values: Any) -> Tensor:
    total: Tensor = variadic(lambda a, b: a + b)(node, *values)
    return total * (1 / len(values))


def _clip(node: Node, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    low, high = (node.get(key) if value is None else number(value) for key, value in (("min", low), ("max", high)))
    low, high = (None if v is None or (x.dtype.kind == "f" and math.isinf(v)) else v for v in (low, high))
    if low is None and high is None:
        return x
    if low is not None and high is not None and low > high:  # the specification: min(max(x, low), high)
        return x * 0 + high
    return ops.clip(x, low, high)


def _where(node: Node, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return ops.where(condition, a, b)


def cast(node: Node, x: Tensor, like: Tensor | None = None) -> Tensor:
    """Between floats of other precision nothing is rounded: half and bfloat16 are computed in float32."""
    if like is not None:
        return _cast(x, like.dtype)
    to = node.whole("to", 0)
    if to not in DTYPES:
        raise node.refuse(
            f"to={_type_name(to)}: minigen has float32, float64, whole numbers and bool; export without it"
        )
    return _cast(x, np.dtype(DTYPES[to]))


def _cast(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    if dtype.kind == "b":
        return x != 0
    return x if x.dtype == dtype else x.to(dtype=dtype)


def _type_name(number_: int) -> str:
    from onnx import TensorProto

    return next((name for name, value in TensorProto.DataType.items() if value == number_), str(number_))


def _sign(node: Node, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).sign(x.data))


def _floor(node: Node, x: Tensor) -> Tensor:
    return x // 1 if x.dtype.kind == "f" else x


def _ceil(node: Node, x: Tensor) -> Tensor:
    return -(-x // 1) if x.dtype.kind == "f" else x


def _round(node: Node, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).rint(x.data))


def _isnan(node: Node, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).isnan(x.data))


def _isinf(node: Node, x: Tensor) -> Tensor:
    positive, negative = node.get("detect_positive", 1), node.get("detect_negative", 1)
    infinite = array_module(x.data).isinf(x.data)
    return Tensor(infinite & (((x.data > 0) & bool(positive)) | ((x.data < 0) & bool(negative))))


def _reciprocal(node: Node, x: Tensor) -> Tensor:
    return 1 / x


def _tan(node: Node, x: Tensor) -> Tensor:
    return ops.sin(x) / ops.cos(x)


def _sinh(node: Node, x: Tensor) -> Tensor:
    return (ops.expm1(x) - ops.expm1(-x)) * 0.5


def _cosh(node: Node, x: Tensor) -> Tensor:
    return (ops.exp(x) + ops.exp(-x)) * 0.5


def _leaky_relu(node: Node, x: Tensor) -> Tensor:
    return ops.leaky_relu(x, node.get("alpha", 0.01))


def _elu(node: Node, x: Tensor) -> Tensor:
    return ops.elu(x, node.get("alpha", 1.0))


def _celu(node: Node, x: Tensor) -> Tensor:
    return ops.celu(x, node.get("alpha", 1.0))


def _selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    if np.float32(alpha) == np.float32(1.6732632423543772) and np.float32(gamma) == np.float32(1.0507009873554805):
        return ops.selu(x)
    return ops.where(x > 0, x, ops.elu(x, alpha)) * gamma


def _gelu(node: Node, x: Tensor) -> Tensor:
    return ops.gelu(x, node.choice("approximate", "none", ("none", "tanh")))


def _hardsigmoid(node: Node, x: Tensor) -> Tensor:
    return ops.clip(x * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0)


def _swish(node: Node, x: Tensor) -> Tensor:
    alpha = node.get("alpha", 1.0)
    return ops.silu(x) if alpha == 1 else x * ops.sigmoid(x * alpha)


def _softsign(node: Node, x: Tensor) -> Tensor:
    return x / (abs(x) + 1)


def _thresholded_relu(node: Node, x: Tensor) -> Tensor:
    return ops.where(x > node.get("alpha", 1.0), x, 0.0)


def _shrink(node: Node, x: Tensor) -> Tensor:
    limit, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    zero = x * 0
    return ops.where(x < -limit, x + bias, ops.where(x > limit, x - bias, zero))


def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """The slope is broadcast to x: (1,), (C, 1, 1), or any other shape."""
    below = ops.where(x > 0, 0.0, x)
    return ops.where(x > 0, x, below * slope)


ELEMENTWISE: dict[str, Operator] = {
    "Abs": unary(abs), "Neg": unary(lambda x: -x), "Exp": unary(ops.exp), "Log": unary(ops.log),
    "Sqrt": unary(ops.sqrt), "Sin": unary(ops.sin), "Cos": unary(ops.cos), "Tan": _tan, "Sinh": _sinh, "Cosh": _cosh,
    "Tanh": unary(ops.tanh), "Sigmoid": unary(ops.sigmoid), "Softplus": unary(ops.softplus), "Erf": unary(ops.erf),
    "Reciprocal": _reciprocal, "Sign": _sign, "Floor": _floor, "Ceil": _ceil, "Round": _round, "IsNaN": _isnan,
    "IsInf": _isinf, "Identity": unary(lambda x: x), "Cast": cast, "CastLike": cast,
    "Add": lambda node, a, b: a + b, "Sub": lambda node, a, b: a - b, "Mul": lambda node, a, b: a * b, "Div": _div,
    "Pow": _pow, "Mod": _mod, "Sum": variadic(lambda a, b: a + b), "Mean": _mean, "Max": variadic(ops.maximum),
    "Min": variadic(ops.minimum), "Clip": _clip, "Where": _where,
    "Equal": lambda node, a, b: a == b, "Less": lambda node, a, b: a < b, "Greater": lambda node, a, b: a > b,
    "LessOrEqual": lambda node, a, b: a <= b, "GreaterOrEqual": lambda node, a, b: a >= b,
    "And": lambda node, a, b: a & b, "Or": lambda node, a, b: a | b, "Xor": lambda node, a, b: a != b,
    "Not": unary(lambda x: ~x),
    "Relu": unary(ops.relu), "LeakyRelu": _leaky_relu, "Elu": _elu, "Celu": _celu, "Selu": _selu, "Gelu": _gelu,
    "HardSigmoid": _hardsigmoid, "HardSwish": unary(ops.hardswish), "Mish": unary(ops.mish), "Swish": _swish,
    "Softsign": _softsign, "ThresholdedRelu": _thresholded_relu, "Shrink": _shrink, "PRelu": prelu,
}  # fmt: skip
