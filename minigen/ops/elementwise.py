"""Operations that treat each element alone: maximum, minimum, clip, where, and the noise of a VAE.

Each is a Function (arrays forward, Tensors backward) and a lowercase function that is the interface.

Imports: autograd, reduce, transcendental, kernels. Read next: ``activations.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor, is_recording
from minigen.device import array_module, device_of
from minigen.ops.reduce import sum_to
from minigen.ops.transcendental import exp
from minigen.shapes import one_number
from minigen_kernels import Array, for_array

_NUMBERS = (int, float, np.generic)


class Maximum(Function):
    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        xp = array_module(a if not isinstance(a, (int, float)) else b)
        return xp.maximum(a, b)

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Max", a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = (x.data if isinstance(x, Tensor) else x for x in self.inputs)
        share = Tensor(((a == y.data).astype(y.dtype) + (b != y.data)) * 0.5)  # 1 or 0; a half of a tie
        return (
            sum_to(gy * share, self.inputs[0].shape) if self.needs(0) else None,
            sum_to(gy * (1 - share), self.inputs[1].shape) if self.needs(1) else None,
        )


class Minimum(Maximum):
    def forward(self, a: Array, b: Array) -> Array:
        xp = array_module(a if not isinstance(a, (int, float)) else b)
        return xp.minimum(a, b)

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.arithmetic("Min", a, b)


class ScaleWhere(Function):
    """x where a constant condition is true, slope * x elsewhere: linear in x, and its own gradient."""

    condition: Array
    slope: float

    def forward(self, x: Array) -> Array:
        return for_array(x).scale_where(x, self.condition, self.slope)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.where(self.condition, x, graph.node("Mul", x, self.slope) if self.slope else 0.0)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScaleWhere.apply(gy, condition=self.condition, slope=self.slope)


class Clip(Function):
    low: float
    high: float

    def forward(self, x: Array) -> Array:
        low, high = (None if math.isinf(limit) else limit for limit in (self.low, self.high))
        return array_module(x).clip(x, low, high)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.clip(x, self.low, self.high)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        return ScaleWhere.apply(gy, condition=(x >= self.low) & (x <= self.high), slope=0.0)


class Where(Function):
    one_dtype = True
    condition: Array

    def forward(self, a: Array, b: Array) -> Array:
        xp, dtype = array_module(self.condition), getattr(a, "dtype", getattr(b, "dtype", None))
        y = xp.where(self.condition, a, b)
        return y.astype(dtype, copy=False) if dtype is not None and dtype.kind == "f" else y

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.where(self.condition, a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(Where.apply(gy, 0, condition=self.condition), a.shape) if self.needs(0) else None,
            sum_to(Where.apply(0, gy, condition=self.condition), b.shape) if self.needs(1) else None,
        )


class Reparameterize(FusedFunction):
    one_dtype = True

    def forward(self, mean: Array, logvar: Array, noise: Array) -> Array:
        return for_array(mean).reparameterize(mean, logvar, noise)

    def onnx(self, graph: Any, mean: Any, logvar: Any, noise: Any) -> Any:
        deviation = graph.node("Exp", graph.node("Mul", logvar, 0.5))
        still = graph.node("And", graph.equal(noise, 0.0), graph.equal(deviation, deviation))  # 0 times Inf is 0
        return graph.node("Add", mean, graph.where(still, 0.0, graph.node("Mul", noise, deviation)))

    def backward_arrays(self, gz: Array, z: Array) -> tuple[Array, ...]:
        _, logvar, noise = (x.data for x in self.inputs)
        return gz, *for_array(gz).reparameterize_backward(gz, logvar, noise)

    def definition(self, mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        # Noise of 0 moves nothing, whatever logvar is: there a constant takes its place, lest 0 meet an infinite exp.
        # A noise that is itself differentiated does depend on logvar.
        if not noise.requires_grad:
            logvar = where(noise == 0, 0.0, logvar)
        return mean + exp(logvar * 0.5) * noise


def maximum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The larger of two, element by element. Where both are equal, each gets half of the gradient."""
    return Maximum.apply(a, b)


def minimum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The smaller of two, element by element. Where both are equal, each gets half of the gradient."""
    return Minimum.apply(a, b)


def clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """Each element kept between `low` and `high` (None: no limit). The gradient is 1 up to the limits, 0 outside."""
    if low is None and high is None:
        raise ValueError("clip: give low, high or both")
    hint = "; for a limit of each element use ops.maximum and ops.minimum"
    # A whole number keeps a Tensor of whole numbers one.
    low = -math.inf if low is None else one_number("clip", "low", low, hint)
    high = math.inf if high is None else one_number("clip", "high", high, hint)
    if low > high:
        raise ValueError(f"clip: low must not be above high, got low={low}, high={high}")
    return Clip.apply(x, low=low, high=high)


def where(condition: Any, a: Tensor | float, b: Tensor | float) -> Tensor:
    """`a` where the bool Tensor or array `condition` is true, else `b`. The condition has no gradient.

    A Python number takes the dtype of the other choice. Two numbers give float32 (int64 if both are whole), as
    ``Tensor(1.0)`` does: beside float64 make one of them a Tensor of that, or use ``.to(dtype=...)`` on the result.
    """
    mask = as_tensor(condition).data
    if mask.dtype != bool:
        raise TypeError(f"where: the condition has to be bool, got {mask.dtype}; compare first, for example x > 0")
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        a, b = Tensor([a, b], device=device_of(mask))
    a, b = (x if isinstance(x, _NUMBERS) else as_tensor(x) for x in (a, b))
    tensors = [x for x in (a, b) if isinstance(x, Tensor)]
    for x in tensors:
        if x.device != device_of(mask):
            places = f"the condition is on {device_of(mask)}, the choices on {x.device}"
            raise TypeError(f"where: {places}. Nothing is moved silently: use .to(device)")
    if is_recording() and any(x.requires_grad for x in tensors):  # the mask may be overwritten before the backward pass
        mask = mask.copy()
    return Where.apply(a, b, condition=mask)


def reparameterize(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """A sample of N(mean, exp(logvar)) as a function of its parameters: z = mean + exp(logvar / 2) * noise.

    All of one shape, (N, D); `noise` are standard normal numbers, such as ``rng.normal(mean.shape)``. Where the
    deviation overflows z is infinite, but noise of exactly 0 leaves the mean. Kingma and Welling 2014, arXiv:1312.6114,
    section 2.4. Derived in docs/guide/13_vae.md.
    """
    mean, logvar, noise = as_tensor(mean), as_tensor(logvar), as_tensor(noise)
    for name, t in (("logvar", logvar), ("noise", noise)):
        if t.shape != mean.shape:
            raise ValueError(
                f"reparameterize: mean has shape {mean.shape} but {name} has {t.shape}; nothing is broadcast, so give "
                f"{name} the shape of mean"
            )
    return Reparameterize.apply(mean, logvar, noise)


__all__ = ["clip", "maximum", "minimum", "reparameterize", "where"]
