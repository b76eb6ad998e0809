"""Losses in CUDA: shapes and grids here, the arithmetic in ``loss.cu``.

Imports: NumPy, ``launch.py``; the checks of arguments from ``reference``. Read next: ``loss.cu``, ``elementwise.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, counters, empty, launch
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.loss import check_gradient, check_head


def bce_with_logits(x: Array, y: Array) -> Array:
    """log(1 + exp(x)) - x y of each element, of any one shape."""
    check_like("bce_with_logits", x, y=y)
    out = empty(x.shape, x.dtype)
    operands = contiguous(x), contiguous(y), out, x.size
    launch("loss.cu", "bce_with_logits_kernel", blocks_for(x.size), THREADS, *operands)
    return out


def bce_with_logits_sum(x: Array, y: Array, scale: float) -> Array:
    """The sum of `bce_with_logits` over all elements, times scale: shape ()."""
    check_like("bce_with_logits_sum", x, y=y)
    return _sum("bce_with_logits_sum_kernel", x, y, scale)


def bce_with_logits_sum_backward(gy: Array, x: Array, y: Array, scale: float) -> Array:
    """Gradient of `bce_with_logits_sum` in x: gx = gy scale (sigmoid(x) - y)."""
    check_like("bce_with_logits_sum_backward", x, y=y)
    return _gradients("bce_with_logits_sum_backward", 1, gy, x, y, scale)[0]


def mse_sum(p: Array, t: Array, scale: float) -> Array:
    """The sum of (p - t)^2 over all elements of any one shape, times scale: shape ()."""
    check_like("mse_sum", p, t=t)
    return _sum("mse_sum_kernel", p, t, scale)


def mse_sum_backward(gy: Array, p: Array, t: Array, scale: float) -> Array:
    """Gradient of `mse_sum` in p: gp = gy scale 2 (p - t); that in t is -gp."""
    check_like("mse_sum_backward", p, t=t)
    return _gradients("mse_sum_backward", 1, gy, p, t, scale)[0]


def huber_sum(p: Array, t: Array, delta: float, scale: float) -> Array:
    """The sum of c (d - c / 2) for d = p - t, and c = d kept within +-delta, times scale: shape ()."""
    check_like("huber_sum", p, t=t)
    return _sum("huber_sum_kernel", p, t, scale, delta)


def huber_sum_backward(gy: Array, p: Array, t: Array, delta: float, scale: float) -> Array:
    """Gradient of `huber_sum` in p: gp = gy scale c; that in t is -gp."""
    check_like("huber_sum_backward", p, t=t)
    return _gradients("huber_sum_backward", 1, gy, p, t, scale, delta)[0]


def mse_act_sum(x: Array, t: Array, activation: str, scale: float) -> tuple[Array, Array]:
    """`mse_sum` of y = activation(x) and t, and y: the shapes () and that of x. `activation`: "sigmoid" or "tanh"."""
    check_like("mse_act_sum", x, t=t)
    y = empty(x.shape, x.dtype)
    return _sum("mse_act_sum_kernel", x, t, scale, y, check_head("mse_act_sum", activation)), y


def mse_act_sum_backward(gy: Array, y: Array, t: Array, activation: str, scale: float) -> Array:
    """Gradient of `mse_act_sum` in x, told from y."""
    check_like("mse_act_sum_backward", y, t=t)
    head = check_head("mse_act_sum_backward", activation)
    return _gradients("mse_act_sum_backward", 1, gy, y, t, scale, head)[0]


def gaussian_kl_sum(mean: Array, logvar: Array, scale: float) -> Array:
    """The sum of KL(N(mean, exp(logvar)) || N(0, 1)) over all elements of any one shape, times scale: shape ()."""
    check_like("gaussian_kl_sum", mean, logvar=logvar)
    return _sum("gaussian_kl_sum_kernel", mean, logvar, scale)


def gaussian_kl_sum_backward(gy: Array, mean: Array, logvar: Array, scale: float) -> tuple[Array, Array]:
    """Gradients of `gaussian_kl_sum`: gy scale mean, and gy scale (exp(logvar) - 1) / 2."""
    check_like("gaussian_kl_sum_backward", mean, logvar=logvar)
    gmean, glogvar = _gradients("gaussian_kl_sum_backward", 2, gy, mean, logvar, scale)
    return gmean, glogvar


def _sum(kernel: str, a: Array, b: Array, scale: float, *more: Any) -> Array:
    """The sum over all blocks, of each of which the kernel keeps a part."""
    blocks, out = blocks_for(a.size), empty((), a.dtype)
    operands = contiguous(a), contiguous(b), empty((blocks,), np.float64), counters(1), out, a.size, scale, *more
    launch("loss.cu", kernel, blocks, THREADS, *operands)
    return out


def _gradients(name: str, count: int, gy: Array, a: Array, b: Array, scale: float, *more: Any) -> list[Array]:
    """The `count` gradients of a sum over a and b, each like a."""
    check_gradient(name, gy, a)
    gradients = [empty(a.shape, a.dtype) for _ in range(count)]
    operands = gy, contiguous(a), contiguous(b), *gradients, a.size, scale, *more
    launch("loss.cu", f"{name}_kernel", blocks_for(a.size), THREADS, *operands)
    return gradients
