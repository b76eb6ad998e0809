"""Group and instance normalisation: each sample by itself, over the places of an image and some or one of its channels.

Both are layer norm's kernel on other rows: a row is what shares a mean. The scale and shift of the channels come after.

Imports: tensor, activation, norm, kernels. Read next: ``conv1d.py``.
"""

from __future__ import annotations

import math

from minigen.autograd import Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.activation import bias_act
from minigen.ops.norm import LayerNorm
from minigen.ops.shape import reshape
from minigen.shapes import one_number, whole_number


def group_norm(
    x: Tensor, num_groups: int, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5
) -> Tensor:
    """Normalise: y = (x - mean) / sqrt(var + eps) * w + b, mean and biased variance of each group of each sample.

    x (N, C, ...): the channels are cut into `num_groups` of C / num_groups neighbours, and a group shares one mean over
    all its values; w and b (C,), or None for 1 and 0. It does not depend on the batch: N may be 1. Wu and He 2018,
    arXiv:1803.08494. A group of one value, which is its own mean, becomes 0 before w and b.
    """
    x = as_tensor(x)
    num_groups = whole_number("group_norm", "num_groups", num_groups, 1)
    _check("group_norm", "(N, C, ...)", x, 2, w, b)
    if x.shape[1] % num_groups:
        raise ValueError(f"group_norm: num_groups={num_groups} must divide the channels of x {x.shape}")
    return _scaled(_normalized(x, num_groups, one_number("group_norm", "eps", eps))[0], w, b)


def instance_norm(x: Tensor, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    """`group_norm` with a group for each channel: mean and biased variance over the places of one channel of a sample.

    x (N, C, L) or (N, C, H, W) with at least two places; w and b (C,), or None for 1 and 0. Ulyanov, Vedaldi and
    Lempitsky 2016, arXiv:1607.08022.
    """
    return instance_norm_with_statistics(x, w, b, eps=eps)[0]


def instance_norm_with_statistics(
    x: Tensor, w: Tensor | None = None, b: Tensor | None = None, *, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """`instance_norm`, and the means and biased variances (N, C) of the samples, without gradient."""
    x = as_tensor(x)
    _check("instance_norm", "(N, C, L) or (N, C, H, W)", x, 3, w, b)
    if math.prod(x.shape[2:]) < 2:
        raise ValueError(
            f"instance_norm: shape {x.shape} has {math.prod(x.shape[2:])} value for each channel of a sample; "
            "a mean and a variance of its own need at least 2"
        )
    z, mean, var = _normalized(x, x.shape[1], one_number("instance_norm", "eps", eps))
    return _scaled(z, w, b), mean, var


def _normalized(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, C, ...) with mean 0 and variance 1 in each group; the means and biased variances (N, groups), constants."""
    n, size = x.shape[0], math.prod(x.shape[1:]) // groups
    xp = array_module(x.data)
    one, zero = xp.ones(size, x.dtype), xp.zeros(size, x.dtype)
    function = LayerNorm(eps=float(eps))
    z = function(reshape(x, (n * groups, size)), Tensor(one), Tensor(zero))
    mean, var = (Tensor(array.reshape(n, groups)) for array in (function.mean, function.var))
    return reshape(z, x.shape), mean, var


def _scaled(z: Tensor, w: Tensor | None, b: Tensor | None) -> Tensor:
    y = z if w is None else z * reshape(w, (-1, *(1,) * (z.ndim - 2)))
    return y if b is None else bias_act(y, b)


def _check(name: str, layout: str, x: Tensor, least: int, *vectors: Tensor | None) -> None:
    if x.ndim < least or 0 in x.shape[1:]:  # of samples there may be none
        raise ValueError(f"{name}: expected x {layout} with at least one channel and place, got {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: x must be float32 or float64, got {x.dtype}; use .to(dtype=...)")
    for v in vectors:
        if v is not None and as_tensor(v).shape != (x.shape[1],):
            raise ValueError(f"{name}: expected one number for each of {x.shape[1]} channels, got {as_tensor(v).shape}")


__all__ = ["group_norm", "instance_norm"]
