"""Checks of the arguments of a loss, and the reduction of its elements to one number.

Imports: autograd, ops. Read next: ``divergence.py``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor
from minigen.shapes import one_of

Reduction = Literal["mean", "sum", "batchmean", "none"]

#: How far a target may be outside of [0, 1]: rounding errors of images that were resampled in float32.
ROUNDING = 1e-6


def check_reduction(name: str, reduction: Reduction) -> Reduction:
    """`reduction`, if it is one of the four; `name` is the loss, for the error."""
    one_of(name, "reduction", reduction, ("mean", "sum", "batchmean", "none"))
    return reduction


def reduce(name: str, loss: Tensor, reduction: Reduction) -> Tensor:
    """Reduce the losses of the elements; `name` is the loss, for the error."""
    if check_reduction(name, reduction) == "none":
        return loss
    scale = reduction_scale(name, loss, reduction)
    return ops.sum(loss) if scale == 1 else ops.sum(loss) * scale


def reduction_scale(name: str, loss: Tensor, reduction: Reduction) -> float:
    """The factor from the sum of all elements to the reduction, for a kernel; `loss` has the shape of the elements."""
    if check_reduction(name, reduction) == "sum":
        return 1.0
    if not loss.size or (reduction == "batchmean" and not loss.ndim):
        raise ValueError(f"{name}: reduction {reduction!r} has nothing to take the mean over in shape {loss.shape}")
    return 1.0 / (loss.size if reduction == "mean" else loss.shape[0])


def check_same_shape(name: str, **arguments: Any) -> tuple[Tensor, ...]:
    """The arguments as float Tensors. The error names two of them that differ in shape, dtype or device."""
    tensors = tuple([as_tensor(x) for x in arguments.values()])
    data = tensors[0].data
    shape, dtype, kind = data.shape, data.dtype, type(data)
    for t in tensors:
        if t.data.shape != shape or t.data.dtype is not dtype or type(t.data) is not kind:
            break
    else:
        if dtype.kind == "f":
            return tensors
    _raise_mismatch(name, dict(zip(arguments, tensors)))
    return tensors


def _raise_mismatch(name: str, tensors: dict[str, Tensor]) -> None:
    """Raise the error that says how the Tensors differ, if they do."""
    (first, x), *others = tensors.items()
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: {first} must be float32 or float64, got {x.dtype}; use .to(dtype=...)")
    for argument, t in others:
        if t.shape != x.shape:
            raise ValueError(
                f"{name}: {first} has shape {x.shape} but {argument} has shape {t.shape}; "
                "nothing is broadcast, so reshape one of them"
            )
        if (t.dtype, t.device) != (x.dtype, x.device):
            raise TypeError(
                f"{name}: {first} is {x.dtype} on {x.device} but {argument} is {t.dtype} on {t.device}; "
                "nothing is converted silently, so use .to(device, dtype)"
            )


def check_broadcast_to(name: str, argument: str, value: float | Tensor, x: Tensor) -> float | Tensor:
    """A number, or a Tensor that broadcasts to the shape of `x` (`x` is not broadcast)."""
    if isinstance(value, (int, float)):
        return value
    t = as_tensor(value)
    lead = x.ndim - t.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(t.shape, x.shape[lead:])):
        raise ValueError(f"{name}: {argument} has shape {t.shape}, which does not broadcast to {x.shape}")
    return t


def check_unit_interval(name: str, argument: str, x: Tensor, *, tolerance: float = 0.0, hint: str = "") -> None:
    """ValueError for values outside of [0, 1]. NaN is allowed here. Does nothing on a GPU."""
    if x.device != "cpu" or not x.size:
        return
    # Read as an unsigned integer, a float from 0 to 1 is at most that of 1.0; -0.0, negative numbers and NaN are above.
    # So one pass over the bits is usually enough.
    bits = f"u{x.dtype.itemsize}"
    if x.data.view(bits).max() <= x.dtype.type(1).view(bits):
        return
    low, high = float(np.fmin.reduce(x.data, axis=None)), float(np.fmax.reduce(x.data, axis=None))  # ignoring NaN
    if low < -tolerance or high > 1 + tolerance:
        advice = f"; {hint}" if hint else ""
        raise ValueError(f"{name}: {argument} must lie in [0, 1], got values from {low:.6g} to {high:.6g}{advice}")
