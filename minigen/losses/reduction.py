"""What every loss does first and last: refuse arguments that do not belong together, and reduce many numbers to one.

Imports: tensor, ops. Read next: ``divergence.py``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor
from minigen.shapes import one_of

Reduction = Literal["mean", "sum", "batchmean", "none"]

#: How far a target may leave [0, 1]: the rounding of images that were resampled in float32.
ROUNDING = 1e-6


def check_reduction(name: str, reduction: Reduction) -> Reduction:
    """The reduction, if it is one of the four; `name` is the loss, for the error."""
    one_of(name, "reduction", reduction, ("mean", "sum", "batchmean", "none"))
    return reduction


def reduce(name: str, loss: Tensor, reduction: Reduction) -> Tensor:
    """The losses of the elements, reduced in one of the four ways; `name` is the loss, for the error."""
    if check_reduction(name, reduction) == "none":
        return loss
    scale = scale_of_sum(name, loss, reduction)
    return ops.sum(loss) if scale == 1 else ops.sum(loss) * scale


def scale_of_sum(name: str, loss: Tensor, reduction: Reduction) -> float:
    """What the sum of all elements is multiplied by; `loss` has the shape of the elements. For a kernel that sums."""
    if check_reduction(name, reduction) == "sum":
        return 1.0
    if not loss.size or (reduction == "batchmean" and not loss.ndim):
        raise ValueError(f"{name}: reduction {reduction!r} has nothing to take the mean over in shape {loss.shape}")
    return 1.0 / (loss.size if reduction == "mean" else loss.shape[0])


def check_same_shape(name: str, **arguments: Any) -> tuple[Tensor, ...]:
    """The arguments as float Tensors; an error that names two of them unless shape, dtype and device are the same."""
    tensors = tuple([as_tensor(x) for x in arguments.values()])
    data = tensors[0].data
    shape, dtype, kind = data.shape, data.dtype, type(data)
    for t in tensors:
        if t.data.shape != shape or t.data.dtype is not dtype or type(t.data) is not kind:
            break
    else:
        if dtype.kind == "f":
            return tensors
    _raise_unlike(name, dict(zip(arguments, tensors)))
    return tensors


def _raise_unlike(name: str, tensors: dict[str, Tensor]) -> None:
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
    """A number as it is; anything else as a Tensor that broadcasts to the shape of `x`, and never the other way."""
    if isinstance(value, (int, float)):
        return value
    t = as_tensor(value)
    lead = x.ndim - t.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(t.shape, x.shape[lead:])):
        raise ValueError(f"{name}: {argument} has shape {t.shape}, which does not broadcast to {x.shape}")
    return t


def check_unit_interval(name: str, argument: str, x: Tensor, *, slack: float = 0.0, hint: str = "") -> None:
    """Refuse what is not in [0, 1]; NaN goes through, to be found where it was made. Does nothing on a GPU."""
    if x.device != "cpu" or not x.size:
        return
    # Read as a whole number, a float from 0 to 1 is at most what 1 is, while -0.0, what is below 0, and NaN are more:
    # one pass over the bits, and mostly the only one.
    bits = f"u{x.dtype.itemsize}"
    if x.data.view(bits).max() <= x.dtype.type(1).view(bits):
        return
    low, high = float(np.fmin.reduce(x.data, axis=None)), float(np.fmax.reduce(x.data, axis=None))  # but NaN
    if low < -slack or high > 1 + slack:
        advice = f"; {hint}" if hint else ""
        raise ValueError(f"{name}: {argument} must lie in [0, 1], got values from {low:.6g} to {high:.6g}{advice}")
