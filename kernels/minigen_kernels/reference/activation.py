"""What ends a dense layer or a convolution: add the bias, apply the activation; and the gradient of both, in NumPy.

Images (N, C, H, W) come as (N, C, H * W), features (N, C) as (N, C, 1). An activation is named, and has a slope:

    identity    z
    leaky_relu  z where z > 0, else slope * z; with slope 0 relu, which gives exactly 0 there
    sigmoid     1 / (1 + exp(-z))
    tanh        the hyperbolic tangent

The derivative of each can be told from its result, so nothing but the result has to be kept for the way back. That is
why a slope must not be negative: the result would not tell on which side of 0 its argument was.

Imports: NumPy. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array

ACTIVATIONS = ("identity", "leaky_relu", "sigmoid", "tanh")


def bias_act(x: Array, b: Array, activation: str, slope: float) -> Array:
    """y = activation(x + b): x (N, C, L), b (C,) -> y (N, C, L). NaN stays NaN.

    `activation` is one of `ACTIVATIONS`, `slope` that of leaky_relu, 0 or more; the others do not use it.
    """
    check_bias_act("bias_act", x, activation, slope, b=b)
    z = x + b[:, None]
    if activation == "leaky_relu":
        return np.where(z < 0, np.zeros_like(z) if slope == 0 else z * z.dtype.type(slope), z)
    if activation == "sigmoid":
        e = np.exp(-np.abs(z))  # at most 1: never overflows
        return np.where(z >= 0, 1, e).astype(z.dtype) / (1 + e)
    return np.tanh(z) if activation == "tanh" else z


def bias_act_backward(gy: Array, y: Array, activation: str, slope: float) -> tuple[Array, Array]:
    """Gradients of y = bias_act(x, b): gy, y (N, C, L) -> gx (N, C, L), gb (C,).

    gx = gy * d, gb = sum gx over N and L, where d is 1 (identity), 1 where y > 0 and else slope (leaky_relu; for slope
    0 gx is exactly 0 there), y (1 - y) (sigmoid), 1 - y^2 (tanh).
    """
    check_bias_act("bias_act_backward", y, activation, slope, gy=gy)
    if activation == "leaky_relu":
        gx = np.where(y > 0, gy, np.zeros_like(gy) if slope == 0 else gy * gy.dtype.type(slope))
    elif activation == "sigmoid":
        gx = gy * (y * (1 - y))
    else:
        gx = gy * (1 - y * y) if activation == "tanh" else gy.copy()
    return gx, gx.sum(axis=(0, 2), dtype=np.float64).astype(gx.dtype)


def check_bias_act(
    name: str, x: Array, activation: str, slope: float, *, b: Array | None = None, gy: Array | None = None
) -> int:
    """The place of `activation` in `ACTIVATIONS`. Raises ValueError for one that is not there, or arrays that misfit.

    All versions call this: compiled code would read past the end of a shorter array.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"{name}: activation is one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    if not slope >= 0:
        raise ValueError(f"{name}: slope must be 0 or more, got {slope}: the result would not tell the sign of x + b")
    argument, array, shape = ("gy", gy, x.shape) if b is None else ("b", b, x.shape[1:2])
    fits = array is not None and (array.dtype is x.dtype or array.dtype == x.dtype)
    if array is None or not fits or array.shape != shape or x.ndim != 3:
        got = "None" if array is None else f"shape {array.shape} and dtype {array.dtype}"
        raise ValueError(f"{name}: {argument} has {got}, but x (N, C, L) = {x.shape} asks for {shape} and {x.dtype}")
    return ACTIVATIONS.index(activation)
