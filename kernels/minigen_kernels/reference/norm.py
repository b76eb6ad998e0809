"""Batch norm and layer norm, the obvious NumPy version: subtract the mean, divide by the deviation.

The two differ in who shares a mean: in batch norm all values of a channel, in layer norm all values
of a sample. Statistics are computed in two passes (first the mean, then the mean square around it)
and in float64, so that float32 data with a large mean keep their variance.

Imports: NumPy. Read next: ``optim.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each channel over the batch (Ioffe and Szegedy 2015, algorithm 1).

    x (N, C, L), w (C,), b (C,) -> y (N, C, L), mean (C,), var (C,); L is H * W, or 1 after a dense
    layer. With M = N * L values in a channel (at least one)::

        mean = sum x / M,  var = sum (x - mean)^2 / M       (over axes 0 and 2; var is biased)
        y = w * (x - mean) / sqrt(var + eps) + b
    """
    check_norm("batch_norm", x, x.shape[1], w=w, b=b)
    mean = x.mean(axis=(0, 2), dtype=np.float64)
    var = ((x - mean[:, None]) ** 2).mean(axis=(0, 2))
    y = (x - mean[:, None]) * (w / np.sqrt(var + eps))[:, None] + b[:, None]
    return y.astype(x.dtype), mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm` in x, w and b, where mean and var are those of x.

    gy, x (N, C, L), w, mean, var (C,) -> gx (N, C, L), gw (C,), gb (C,). With z = (x - mean) / s,
    s = sqrt(var + eps)::

        gw = sum gy * z,  gb = sum gy
        gx = w / s * (gy - gb / M - z * gw / M)

    The two subtracted terms are what flows through mean and var.
    """
    check_norm("batch_norm_backward", x, x.shape[1], gy, w=w, mean=mean, var=var)
    s = np.sqrt(var.astype(np.float64) + eps)[:, None]
    z = (x - mean.astype(np.float64)[:, None]) / s
    gw = (gy * z).sum(axis=(0, 2))
    gb = gy.sum(axis=(0, 2), dtype=np.float64)
    m = x.shape[0] * x.shape[2]
    gx = w[:, None] / s * (gy - gb[:, None] / m - z * gw[:, None] / m)
    return gx.astype(x.dtype), gw.astype(x.dtype), gb.astype(x.dtype)


def layer_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each row (Ba, Kiros and Hinton 2016).

    x (R, D), w (D,), b (D,) -> y (R, D), mean (R,), var (R,), with D at least 1::

        mean = sum x / D,  var = sum (x - mean)^2 / D       (over axis 1; var is biased)
        y = w * (x - mean) / sqrt(var + eps) + b
    """
    check_norm("layer_norm", x, x.shape[1], w=w, b=b)
    mean = x.mean(axis=1, dtype=np.float64)
    var = ((x - mean[:, None]) ** 2).mean(axis=1)
    y = w * ((x - mean[:, None]) / np.sqrt(var + eps)[:, None]) + b
    return y.astype(x.dtype), mean.astype(x.dtype), var.astype(x.dtype)


def layer_norm_backward(
    gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm` in x, w and b, where mean and var are those of x.

    gy, x (R, D), w (D,), mean, var (R,) -> gx (R, D), gw (D,), gb (D,). With z = (x - mean) / s,
    s = sqrt(var + eps), gz = gy * w::

        gw = sum gy * z,  gb = sum gy                       (over axis 0)
        gx = (gz - mean(gz) - z * mean(gz * z)) / s         (means over axis 1)
    """
    check_norm("layer_norm_backward", x, x.shape[1], gy, w=w)
    check_norm("layer_norm_backward", x, x.shape[0], mean=mean, var=var)
    s = np.sqrt(var.astype(np.float64) + eps)[:, None]
    z = (x - mean.astype(np.float64)[:, None]) / s
    gz = gy * w.astype(np.float64)
    gw, gb = (gy * z).sum(axis=0), gy.sum(axis=0, dtype=np.float64)
    gx = gz - gz.mean(axis=1, keepdims=True) - z * (gz * z).mean(axis=1, keepdims=True)
    return (gx / s).astype(x.dtype), gw.astype(x.dtype), gb.astype(x.dtype)


def check_norm(name: str, x: Array, size: int, gy: Array | None = None, **vectors: Array) -> None:
    """Raise ValueError unless the vectors have shape (size,), gy that of x, all the dtype of x.

    All versions call this: compiled code would read past the end of a shorter array.
    """
    wanted = {argument: (array, (size,)) for argument, array in vectors.items()}
    if gy is not None:
        wanted["gy"] = (gy, x.shape)
    for argument, (array, shape) in wanted.items():
        if array.shape != shape or array.dtype != x.dtype:
            raise ValueError(
                f"{name}: {argument} has shape {array.shape} and dtype {array.dtype}, "
                f"but x of shape {x.shape} asks for {shape} and {x.dtype}"
            )
