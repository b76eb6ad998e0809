"""Operations that treat each element alone: activations, clip, maximum, where.

Each is a Function (arrays forward, Tensors backward) and a lowercase function that is the interface. Where the
derivative has a jump (relu at 0), the mask is a constant, and so is its derivative everywhere.

Imports: autograd, reduce, transcendental, kernels. Read next: ``reduce.py``.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor, is_recording
from minigen.device import array_module, device_of
from minigen.ops.reduce import sum_to
from minigen.ops.transcendental import erfc, exp
from minigen.shapes import one_number, one_of
from minigen_kernels import Array, for_array

_NUMBERS = (int, float, np.generic)


class Sigmoid(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).sigmoid(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * (y * (1 - y))


class Softplus(Function):
    def forward(self, x: Array) -> Array:
        return for_array(x).softplus(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * sigmoid(self.inputs[0])


class ScaleWhere(Function):
    """x where a constant condition is true, slope * x elsewhere: linear in x, and its own gradient."""

    condition: Array
    slope: float

    def forward(self, x: Array) -> Array:
        return for_array(x).scale_where(x, self.condition, self.slope)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScaleWhere.apply(gy, condition=self.condition, slope=self.slope)


class Relu(Function):
    def forward(self, x: Array) -> Array:
        return array_module(x).maximum(x, 0)  # a NaN stays one

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScaleWhere.apply(gy, condition=self.inputs[0].data > 0, slope=0.0)


class Elu(Function):
    alpha: float

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.where(x > 0, x, xp.expm1(xp.minimum(x, 0)) * self.alpha)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        positive = x.data > 0
        # alpha exp(x) is y + alpha as well, but in that sum a small exp(x) loses its digits.
        slope = exp(ScaleWhere.apply(x, condition=~positive, slope=0.0))
        if self.alpha != 1:
            slope = slope * Tensor(array_module(x.data).where(positive, 1, self.alpha).astype(x.dtype))
        return gy * slope


class Clip(Function):
    low: float
    high: float

    def forward(self, x: Array) -> Array:
        low, high = (None if math.isinf(limit) else limit for limit in (self.low, self.high))
        return array_module(x).clip(x, low, high)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        return ScaleWhere.apply(gy, condition=(x >= self.low) & (x <= self.high), slope=0.0)


class Maximum(Function):
    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        xp = array_module(a if not isinstance(a, (int, float)) else b)
        return xp.maximum(a, b)

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


class Where(Function):
    one_dtype = True
    condition: Array

    def forward(self, a: Array, b: Array) -> Array:
        xp, dtype = array_module(self.condition), getattr(a, "dtype", getattr(b, "dtype", None))
        y = xp.where(self.condition, a, b)
        return y.astype(dtype, copy=False) if dtype is not None and dtype.kind == "f" else y

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(Where.apply(gy, 0, condition=self.condition), a.shape) if self.needs(0) else None,
            sum_to(Where.apply(0, gy, condition=self.condition), b.shape) if self.needs(1) else None,
        )


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


class Reparameterize(FusedFunction):
    one_dtype = True

    def forward(self, mean: Array, logvar: Array, noise: Array) -> Array:
        return for_array(mean).reparameterize(mean, logvar, noise)

    def backward_arrays(self, gz: Array, z: Array) -> tuple[Array, ...]:
        _, logvar, noise = (x.data for x in self.inputs)
        return gz, *for_array(gz).reparameterize_backward(gz, logvar, noise)

    def definition(self, mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        # Noise of 0 moves nothing, whatever logvar is: there a constant takes its place, lest 0 meet an infinite exp.
        # A noise that is itself differentiated does depend on logvar.
        if not noise.requires_grad:
            logvar = where(noise == 0, 0.0, logvar)
        return mean + exp(logvar * 0.5) * noise


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow, and exact in both tails."""
    return Sigmoid.apply(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), without overflow."""
    return Softplus.apply(x)


def relu(x: Tensor) -> Tensor:
    """max(x, 0); the gradient at 0 is 0."""
    return Relu.apply(x)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """The element x where x > 0, else slope * x (Maas et al. 2013)."""
    x = as_tensor(x)
    return ScaleWhere.apply(x, condition=x.data > 0, slope=float(one_number("leaky_relu", "slope", slope)))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """The element x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, arXiv:1511.07289)."""
    return Elu.apply(x, alpha=float(one_number("elu", "alpha", alpha)))


def gelu(x: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """The element x times the normal distribution function of x, exact or in its tanh form (arXiv:1606.08415)."""
    x = as_tensor(x)
    one_of("gelu", "approximate", approximate, ("none", "tanh"))
    if approximate == "none":
        return x * erfc(x * -math.sqrt(0.5)) * 0.5  # 1 + erf(u) is erfc(-u), which keeps its digits where it is small
    return x * sigmoid((x + x**3 * 0.044715) * math.sqrt(8 / math.pi))  # (tanh(u) + 1) / 2 is sigmoid(2 u)


def silu(x: Tensor) -> Tensor:
    """The product x * sigmoid(x), also called swish (arXiv:1702.03118)."""
    x = as_tensor(x)
    return x * sigmoid(x)


def reparameterize(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """A sample of N(mean, exp(logvar)) as a function of its parameters: z = mean + exp(logvar / 2) * noise.

    All of one shape, (N, D); `noise` are standard normal numbers, such as ``rng.normal(mean.shape)``. Where the
    deviation overflows z is infinite, but noise of exactly 0 leaves the mean. Kingma and Welling 2014, arXiv:1312.6114,
    section 2.4.
    """
    mean, logvar, noise = as_tensor(mean), as_tensor(logvar), as_tensor(noise)
    for name, t in (("logvar", logvar), ("noise", noise)):
        if t.shape != mean.shape:
            raise ValueError(
                f"reparameterize: mean has shape {mean.shape} but {name} has {t.shape}; nothing is broadcast, so give "
                f"{name} the shape of mean"
            )
    return Reparameterize.apply(mean, logvar, noise)


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


def maximum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The larger of two, element by element. Where both are equal, each gets half of the gradient."""
    return Maximum.apply(a, b)


def minimum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The smaller of two, element by element. Where both are equal, each gets half of the gradient."""
    return Minimum.apply(a, b)


def logaddexp(a: Tensor | float, b: Tensor | float) -> Tensor:
    """log(exp(a) + exp(b)), element by element, without overflow; a and b are broadcast."""
    return LogAddExp.apply(a, b)


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
    kept = False
    for x in (a, b):
        if isinstance(x, Tensor):
            if x.device != device_of(mask):
                places = f"the condition is on {device_of(mask)}, the choices on {x.device}"
                raise TypeError(f"where: {places}. Nothing is moved silently: use .to(device)")
            kept = kept or x.requires_grad
    if kept and is_recording():  # the mask may be overwritten before the backward pass
        mask = mask.copy()
    return Where.apply(a, b, condition=mask)


__all__ = [
    "clip", "elu", "gelu", "leaky_relu", "logaddexp", "maximum", "minimum", "relu", "reparameterize", "sigmoid", "silu",
    "softplus", "where",
]  # fmt: skip
