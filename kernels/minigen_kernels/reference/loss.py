"""Losses, the obvious NumPy version: a number for each element, their sum times a factor, and the gradient of that.

A mean is a sum times 1 / n, so `scale` serves every reduction. The elements are computed in the dtype of the arguments
and summed in float64 (other versions may sum short runs of them in their dtype): the error does not grow with the
number of elements.

The gradients are those of the sum: gy has shape (), and its value is not read in Python (on a GPU that would wait for
the device).

Imports: NumPy; the check of arguments from ``elementwise.py``. Read next: ``elementwise.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.elementwise import check_like, exp_excess, sigmoid


def bce_with_logits(x: Array, y: Array) -> Array:
    """log(1 + exp(x)) - x y of each element, the cross-entropy of p = sigmoid(x) and the target y; any one shape.

    It is computed as max(x, 0) - x y + log(1 + exp(-|x|)), where nothing overflows and no large numbers cancel.
    """
    check_like("bce_with_logits", x, y=y)
    with np.errstate(invalid="ignore"):
        return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def bce_with_logits_sum(x: Array, y: Array, scale: float) -> Array:
    """The sum of `bce_with_logits` over all elements, times scale: shape ()."""
    check_like("bce_with_logits_sum", x, y=y)
    return _sum(bce_with_logits(x, y), scale)


def bce_with_logits_sum_backward(gy: Array, x: Array, y: Array, scale: float) -> Array:
    """Gradient of `bce_with_logits_sum` in x: gx = gy scale (sigmoid(x) - y), of the shape of x.

    Derived in docs/guide/10_losses.md.
    """
    check_like("bce_with_logits_sum_backward", x, y=y)
    check_gradient("bce_with_logits_sum_backward", gy, x)
    e = np.exp(-np.abs(x))
    return (np.where(x >= 0, 1, e) / (1 + e) - y) * _factor(gy, scale)


def mse_sum(p: Array, t: Array, scale: float) -> Array:
    """The sum of (p - t)^2 over all elements of any one shape, times scale: shape ()."""
    check_like("mse_sum", p, t=t)
    with np.errstate(over="ignore", invalid="ignore"):
        return _sum((p - t) ** 2, scale)


def mse_sum_backward(gy: Array, p: Array, t: Array, scale: float) -> Array:
    """Gradient of `mse_sum` in p: gp = gy scale 2 (p - t), of the shape of p; that in t is -gp."""
    check_like("mse_sum_backward", p, t=t)
    check_gradient("mse_sum_backward", gy, p)
    with np.errstate(invalid="ignore"):
        return (p - t) * _factor(gy, 2 * scale)


def huber_sum(p: Array, t: Array, delta: float, scale: float) -> Array:
    """The sum of c (d - c / 2) for d = p - t, and c = d kept within +-delta, times scale: shape ()."""
    check_like("huber_sum", p, t=t)
    with np.errstate(over="ignore", invalid="ignore"):
        d = p - t
        c = np.clip(d, -delta, delta)
        return _sum(c * (d - c / 2), scale)


def huber_sum_backward(gy: Array, p: Array, t: Array, delta: float, scale: float) -> Array:
    """Gradient of `huber_sum` in p: gp = gy scale c, of the shape of p; that in t is -gp."""
    check_like("huber_sum_backward", p, t=t)
    check_gradient("huber_sum_backward", gy, p)
    with np.errstate(invalid="ignore"):
        return np.clip(p - t, -delta, delta) * _factor(gy, scale)


def mse_act_sum(x: Array, t: Array, activation: str, scale: float) -> tuple[Array, Array]:
    """`mse_sum` of y = activation(x) and t, and y: the shapes () and that of x. `activation`: "sigmoid" or "tanh"."""
    y = sigmoid(x) if check_head("mse_act_sum", activation) else np.tanh(x)
    return mse_sum(y, t, scale), y


def mse_act_sum_backward(gy: Array, y: Array, t: Array, activation: str, scale: float) -> Array:
    """Gradient of `mse_act_sum` in x, told from y: that of `mse_sum` times y (1 - y) (sigmoid) or 1 - y^2 (tanh)."""
    slope = y * (1 - y) if check_head("mse_act_sum_backward", activation) else 1 - y * y
    return mse_sum_backward(gy, y, t, scale) * slope


def gaussian_kl_sum(mean: Array, logvar: Array, scale: float) -> Array:
    """The sum of KL(N(mean, exp(logvar)) || N(0, 1)) over all elements of any one shape, times scale: shape ().

    (mean^2 + exp(logvar) - 1 - logvar) / 2 for each, of which none is negative: the difference is `exp_excess`,
    which keeps its digits near 0, and is infinite for an infinite variance.
    """
    check_like("gaussian_kl_sum", mean, logvar=logvar)
    with np.errstate(over="ignore", invalid="ignore"):
        return _sum((mean**2 + exp_excess(logvar)) / 2, scale)


def gaussian_kl_sum_backward(gy: Array, mean: Array, logvar: Array, scale: float) -> tuple[Array, Array]:
    """Gradients of `gaussian_kl_sum`: gy scale mean, and gy scale expm1(logvar) / 2.

    Derived in docs/guide/10_losses.md.
    """
    check_like("gaussian_kl_sum_backward", mean, logvar=logvar)
    check_gradient("gaussian_kl_sum_backward", gy, mean)
    with np.errstate(over="ignore", invalid="ignore"):
        return mean * _factor(gy, scale), np.expm1(logvar) * _factor(gy, scale / 2)


def _sum(elements: Array, scale: float) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(elements.sum(dtype=np.float64) * scale, elements.dtype)


def _factor(gy: Array, scale: float) -> Array:
    """The gradient gy times scale, rounded once."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (gy.astype(np.float64) * scale).astype(gy.dtype)


def check_head(name: str, activation: str) -> bool:
    """Whether the activation is a sigmoid, and not tanh. Raises ValueError for any other. All versions call this."""
    if activation not in ("sigmoid", "tanh"):
        raise ValueError(f"{name}: activation is 'sigmoid' or 'tanh', got {activation!r}")
    return activation == "sigmoid"


def check_gradient(name: str, gy: Array, x: Array) -> None:
    """Raise ValueError unless gy has the shape () of a sum, and the dtype of x. All versions call this."""
    if gy.shape != () or gy.dtype != x.dtype:
        raise ValueError(
            f"{name}: gy is the gradient of a sum, of shape () and dtype {x.dtype}, "
            f"but it has shape {gy.shape} and dtype {gy.dtype}"
        )
