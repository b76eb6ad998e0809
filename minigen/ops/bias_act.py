"""Bias and activation in one pass: what ends a dense layer or a convolution.

The activation is given as the function that it is: ``bias_act(x, b, ops.relu)`` is ``relu(x + b)``. For the few
functions that the kernels know (see `split_activation`) both steps take one pass over memory, and so do both of their
gradients; any other function is simply called on x + b.

Imports: autograd, activations, reduce, kernels. Read next: ``linalg.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from minigen.autograd import FusedFunction, Tensor, as_tensor
from minigen.ops.activations import LeakyReluGradient, leaky_relu, relu
from minigen.ops.reduce import sum, sum_axes
from minigen.ops.transcendental import sigmoid, tanh
from minigen_kernels import Array, as_ncl, for_array

Activation = Callable[[Tensor], Tensor]


class Fused(NamedTuple):
    """What a kernel does after adding the bias: the name and slope under which the kernels know an activation."""

    name: str
    slope: float


IDENTITY = Fused("identity", 0.0)
_KNOWN = {  # by identity: not every function that a user may give has a hash
    id(None): IDENTITY,
    id(relu): Fused("leaky_relu", 0.0),
    id(leaky_relu): Fused("leaky_relu", 0.01),
    id(sigmoid): Fused("sigmoid", 0.0),
    id(tanh): Fused("tanh", 0.0),
}


def split_activation(activation: Activation | None) -> tuple[Fused, Activation | None]:
    """What the kernels do of an activation, and the function that is left to be called on their result.

    They know `relu`, `sigmoid`, `tanh` and `leaky_relu`, this one also as ``functools.partial(leaky_relu, slope=0.2)``.
    """
    if (fused := _KNOWN.get(id(activation))) is not None:
        return fused, None
    if isinstance(activation, functools.partial) and activation.func is leaky_relu and not activation.args:
        slope = activation.keywords.get("slope")
        # From a slope below 0 the result does not tell the sign of its argument.
        if len(activation.keywords) == 1 and isinstance(slope, (int, float)) and 0 <= slope < math.inf:
            return Fused("leaky_relu", float(slope)), None
    return IDENTITY, activation


def check_activation(name: str, activation: Activation | None) -> None:
    """TypeError, under the name of the operation, for what is no function: the name of one, say."""
    if activation is not None and not callable(activation):
        raise TypeError(f"{name}: activation is a function such as ops.relu, or None; got {activation!r}")


def activation_gradient(fused: Fused, gy: Tensor, y: Tensor) -> Tensor:
    """The gradient of an activation's argument, from that of its result and the result itself, by operations."""
    if fused.name == "leaky_relu":
        return LeakyReluGradient.apply(gy, y, slope=fused.slope)
    if fused.name == "sigmoid":
        return gy * (y * (1 - y))
    return gy * (1 - y * y) if fused.name == "tanh" else gy


def bias_act_gradients(fused: Fused, gy: Array, y: Array, of_bias: bool) -> tuple[Array, Array | None]:
    """The gradients of x and b for y = activation(x + b), arrays (N, C, ...); without `of_bias` b may get None.

    Without an activation that of x is gy itself, and nothing is written.
    """
    if fused is IDENTITY:
        return gy, sum_axes(gy, (0, *range(2, gy.ndim))) if of_bias else None
    gx, gb = for_array(y).bias_act_backward(as_ncl(gy), as_ncl(y), *fused)
    return gx.reshape(y.shape), gb


class BiasAct(FusedFunction):
    one_dtype = True
    fused: Fused

    def forward(self, x: Array, b: Array) -> Array:
        return for_array(x).bias_act(as_ncl(x), b, *self.fused).reshape(x.shape)

    def onnx(self, graph: Any, x: Any, b: Any) -> Any:
        return graph.activation(graph.node("Add", x, graph.per_channel(b, x)), self.fused)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, Array | None]:
        return bias_act_gradients(self.fused, gy, y, self.needs(1))

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        gx = activation_gradient(self.fused, gy, y)
        return gx, sum(gx, (0, *range(2, gx.ndim))) if self.needs(1) else None


def bias_act(x: Tensor, b: Tensor, activation: Activation | None = None) -> Tensor:
    """activation(x + b): x (N, C) or (N, C, H, W), b (C,), one for each channel; no activation if that is None."""
    check_activation("bias_act", activation)
    x, b = as_tensor(x), as_tensor(b)
    if x.ndim < 2 or b.shape != x.shape[1:2]:
        raise ValueError(f"bias_act: expected x (N, C) or (N, C, H, W) and b (C,), got x {x.shape} and b {b.shape}")
    fused, left = split_activation(activation)
    y = BiasAct.apply(x, b, fused=fused)
    return y if left is None else left(y)


__all__ = ["bias_act"]
