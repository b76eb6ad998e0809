"""Batch norm and group norm, the obvious NumPy version: subtract the mean, divide by the deviation.

The two differ in who shares a mean: in batch norm all values of a channel, in group norm those of some channels of one
sample; layer norm is one group, instance norm a group for each channel. Statistics are computed in two passes (first
the mean, then the mean square around it) and in float64, so that float32 data with a large mean keep their variance.

Imports: NumPy, elementwise. Read next: ``optim.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.elementwise import leaky_relu, leaky_relu_backward


def batch_norm(
    x: Array, w: Array, b: Array, running_mean: Array, running_var: Array, eps: float, momentum: float, slope: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Normalise each channel over the batch (Ioffe and Szegedy 2015, algorithm 1), then a leaky ReLU: slope 1 for none.

    x (N, C, L), w, b, running_mean, running_var (C,) -> y (N, C, L) and four of (C,): mean, var, and the new running
    mean and variance; L is H * W, or 1 after a dense layer. With M = N * L values in a channel (at least one)::

        mean = sum x / M,  var = sum (x - mean)^2 / M       (over axes 0 and 2; var is biased)
        y = leaky_relu(w * (x - mean) / sqrt(var + eps) + b, slope)
        running = (1 - momentum) * running + momentum * batch

    where the variance of the batch that the running one takes is unbiased, M / (M - 1) var (for M = 1: var).
    """
    check_norm("batch_norm", x, x.shape[1], w=w, b=b, running_mean=running_mean, running_var=running_var)
    mean = x.mean(axis=(0, 2), dtype=np.float64)
    var = ((x - mean[:, None]) ** 2).mean(axis=(0, 2))
    z = (x - mean[:, None]) * (w / np.sqrt(var + eps))[:, None] + b[:, None]
    statistics = mean.astype(x.dtype), var.astype(x.dtype)
    m = x.shape[0] * x.shape[2]
    return (
        leaky_relu(z.astype(x.dtype), slope),
        *statistics,
        *running_statistics(*statistics, running_mean, running_var, momentum, m),
    )


def running_statistics(
    mean: Array, var: Array, running_mean: Array, running_var: Array, momentum: float, m: int
) -> tuple[Array, Array]:
    """The running mean and variance (C,) after a batch with m values in a channel, mean and biased var (C,)."""
    keep, unbiased = 1 - momentum, momentum * m / max(m - 1, 1)
    return running_mean * keep + mean * momentum, running_var * keep + var * unbiased


def batch_norm_backward(
    gy: Array, y: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm` in x, w and b, from its result y, and mean and var, which are those of x.

    gy, y, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,); slope is at least 0, so that y tells the
    sign of its argument. With g = gy where y > 0, else slope gy, and z = (x - mean) / s, s = sqrt(var + eps)::

        gw = sum g * z,  gb = sum g
        gx = w / s * (g - gb / M - z * gw / M)

    The two subtracted terms are what flows through mean and var. Derived in docs/guide/09_batch_norm.md.
    """
    check_norm("batch_norm_backward", x, x.shape[1], {"gy": gy, "y": y}, w=w, mean=mean, var=var)
    g = gy if slope == 1 else leaky_relu_backward(gy, y, slope)
    s = np.sqrt(var.astype(np.float64) + eps)[:, None]
    z = (x - mean.astype(np.float64)[:, None]) / s
    gw = (g * z).sum(axis=(0, 2))
    gb = g.sum(axis=(0, 2), dtype=np.float64)
    m = x.shape[0] * x.shape[2]
    gx = w[:, None] / s * (g - gb[:, None] / m - z * gw[:, None] / m)
    return gx.astype(x.dtype), gw.astype(x.dtype), gb.astype(x.dtype)


def group_norm(x: Array, w: Array, b: Array, groups: int, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each group of channels of each sample (Wu and He 2018).

    x (N, C, L), w, b (C,) -> y (N, C, L), mean, var (N, groups). The channels are cut into groups of C / groups
    neighbours; with the M = C / groups * L values of a group (at least one)::

        mean = sum x / M,  var = sum (x - mean)^2 / M       (var is biased)
        y = w * (x - mean) / sqrt(var + eps) + b

    One group is layer norm (Ba, Kiros and Hinton 2016), usually with L = 1; C groups are instance norm.
    """
    check_norm("group_norm", x, x.shape[1], w=w, b=b)
    check_groups("group_norm", x, groups)
    rows = x.reshape(len(x), groups, -1)
    mean = rows.mean(axis=2, dtype=np.float64)
    var = ((rows - mean[..., None]) ** 2).mean(axis=2)
    z = ((rows - mean[..., None]) / np.sqrt(var + eps)[..., None]).reshape(x.shape)
    return (z * w[:, None] + b[:, None]).astype(x.dtype), mean.astype(x.dtype), var.astype(x.dtype)


def group_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm` in x, w and b, where mean and var are those of x.

    gy, x (N, C, L), w (C,), mean, var (N, groups) -> gx (N, C, L), gw (C,), gb (C,). With z = (x - mean) / s,
    s = sqrt(var + eps), gz = gy * w::

        gw = sum gy * z,  gb = sum gy                       (over samples and places)
        gx = (gz - mean(gz) - z * mean(gz * z)) / s         (means over a group)

    An exercise of docs/guide/09_batch_norm.md: batch norm's, but w does not leave the means.
    """
    check_norm("group_norm_backward", x, x.shape[1], {"gy": gy}, w=w)
    check_groups("group_norm_backward", x, mean=mean, var=var)
    groups = (len(x), mean.shape[1], -1)
    s = np.sqrt(var.astype(np.float64) + eps)[..., None]
    z = (x.reshape(groups) - mean.astype(np.float64)[..., None]) / s
    gz = (gy * w.astype(np.float64)[:, None]).reshape(groups)
    gx = (gz - gz.mean(axis=2, keepdims=True) - z * (gz * z).mean(axis=2, keepdims=True)) / s
    gw, gb = (gy * z.reshape(x.shape)).sum(axis=(0, 2)), gy.sum(axis=(0, 2), dtype=np.float64)
    return gx.reshape(x.shape).astype(x.dtype), gw.astype(x.dtype), gb.astype(x.dtype)


def check_groups(name: str, x: Array, groups: int | None = None, **statistics: Array) -> None:
    """Raise ValueError unless the groups divide the channels of x (N, C, L), and the statistics are (N, groups)."""
    for argument, array in statistics.items():
        groups = array.shape[-1] if groups is None and array.ndim else groups
        if array.shape != (len(x), groups) or array.dtype != x.dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, but x of shape {x.shape} asks "
                f"for ({len(x)}, groups) and {x.dtype}"
            )
    if groups is None or groups < 1 or x.shape[1] % groups:
        raise ValueError(f"{name}: {groups} groups do not divide the channels of x {x.shape}")


def check_norm(
    name: str, x: Array, size: int, likes: Mapping[str, Array] = MappingProxyType({}), **vectors: Array
) -> None:
    """Raise ValueError unless the vectors have shape (size,), the `likes` that of x, all the dtype of x.

    All versions call this: compiled code would read past the end of a shorter array.
    """
    wanted = {argument: (array, (size,)) for argument, array in vectors.items()}
    wanted |= {argument: (array, x.shape) for argument, array in likes.items()}
    for argument, (array, shape) in wanted.items():
        if array.shape != shape or array.dtype != x.dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, "
                f"but x of shape {x.shape} asks for {shape} and {x.dtype}"
            )
