"""What the steps in JAX share: layers, losses, Adam, and their weights in this layout.

Images are (N, H, W, C), which is the faster layout for XLA on a CPU. A network is a function of a flat dictionary of
arrays, whose names are those of the other libraries.

Imports: JAX. Read next: ``dense/in_jax.py``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Tree = dict[str, Any]

leaky = partial(jax.nn.leaky_relu, negative_slope=0.2)


def dense(p: Tree, name: str, x: Any) -> Any:
    y = x @ p[f"{name}.weight"]
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


IMAGES = ("NHWC", "HWIO", "NHWC")


def conv(p: Tree, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    around = [(padding, padding)] * 2
    y = lax.conv_general_dilated(x, p[f"{name}.weight"], (stride, stride), around, dimension_numbers=IMAGES)
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def conv_transpose(p: Tree, name: str, x: Any, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Any:
    """With a mirrored kernel, as `own_layout` left it."""
    w = p[f"{name}.weight"]
    around = [(side - 1 - padding, side - 1 - padding + output_padding) for side in w.shape[:2]]
    y = lax.conv_general_dilated(x, w, (1, 1), around, lhs_dilation=(stride, stride), dimension_numbers=IMAGES)
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def batch_norm(p: Tree, stats: Tree, name: str, x: Any) -> Any:
    """In training; the running statistics in `stats` are replaced by the new ones."""
    axes = tuple(range(x.ndim - 1))
    n = x.size // x.shape[-1]
    mean = jnp.mean(x, axes)
    var = jnp.mean(jnp.square(x - mean), axes)
    for key, value in (("running_mean", mean), ("running_var", var * (n / (n - 1)))):
        stats[f"{name}.{key}"] = 0.9 * stats[f"{name}.{key}"] + 0.1 * lax.stop_gradient(value)
    return (x - mean) * (lax.rsqrt(var + 1e-5) * p[f"{name}.weight"]) + p[f"{name}.bias"]


def max_pool(x: Any) -> Any:
    """2x2 in ceil mode."""
    ends = [(0, 0), *[(0, side % 2) for side in x.shape[1:3]], (0, 0)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), ends)


def upsample(x: Any) -> Any:
    """Each pixel four times."""
    n, h, w, c = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None], (n, h, 2, w, 2, c)).reshape(n, 2 * h, 2 * w, c)


def bce_with_logits(x: Any, y: Any) -> Any:
    return jnp.maximum(x, 0) - x * y + jnp.log1p(jnp.exp(-jnp.abs(x)))


def negative_bound(logits: Any, x: Any, mean: Any, logvar: Any) -> Any:
    """Of a Bernoulli VAE, summed over the batch."""
    return jnp.sum(bce_with_logits(logits, x)) - 0.5 * jnp.sum(1 + logvar - mean**2 - jnp.exp(logvar))


def start(p: Tree) -> Tree:
    """The optimizer's state before the first step."""
    zeros = jax.tree.map(jnp.zeros_like, p)
    return {"p": p, "m": zeros, "v": jax.tree.map(jnp.zeros_like, p), "t": jnp.zeros((), jnp.int32)}


def adam(state: Tree, g: Tree, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999) -> Tree:
    t = state["t"] + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["m"], g)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state["v"], g)
    a, b = lr / (1 - beta1**t), 1 / jnp.sqrt(1 - beta2**t)
    p = jax.tree.map(lambda p, m, v: p - a * m / (jnp.sqrt(v) * b + 1e-8), state["p"], m, v)
    return {"p": p, "m": m, "v": v, "t": t}


adam_gan = partial(adam, lr=2e-4, beta1=0.5)


def is_statistic(name: str) -> bool:
    """Whether a number is kept, but not trained: running statistics, singular vectors."""
    return name.rpartition(".")[2] in ("running_mean", "running_var", "u", "v")


def own_layout(name: str, w: Any, image_features: dict[str, tuple[int, int]]) -> Any:
    """A weight of PyTorch's layout in that of this file.

    Convolutions of 4x4 and 5x5 in generators and decoders are the transposed ones. `image_features`: dense features
    that are images before or after, layer -> (channels, the axis of its weight).
    """
    if w.ndim == 4:  # (K, C, kh, kw) or, transposed, (C, K, kh, kw) to (kh, kw, C, K)
        layer = name.removeprefix("network.")
        transposed = layer.startswith(("generator.", "decoder.", "up")) and w.shape[-1] in (4, 5)
        return w.transpose(2, 3, 0, 1)[::-1, ::-1] if transposed else w.transpose(2, 3, 1, 0)
    channels, axis = image_features.get(name.rpartition(".")[0], (0, 0))
    if channels and axis < w.ndim:  # (C, H, W) to (H, W, C)
        w = w.take(np.arange(w.shape[axis]).reshape(channels, -1).T.ravel(), axis)
    return w if name.startswith("codebook.") else w.T  # (out, in) to (in, out)
