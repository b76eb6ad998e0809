"""The steps of image models without an adversary in JAX.

Imports: JAX, jax_tools. Read next: ``minigen_bench/adversarial/in_minigen.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from minigen_bench.jax_tools import (
    Tree,
    adam,
    batch_norm,
    bce_with_logits,
    conv,
    conv_transpose,
    dense,
    max_pool,
    negative_bound,
    upsample,
)

relu = jax.nn.relu


def descend(objective: Callable[[Tree], Any], state: Tree) -> tuple[Tree, Any]:
    """An update of the one network by the gradient of its loss."""
    loss, g = jax.value_and_grad(objective)(state["network"]["p"])
    return {"network": adam(state["network"], g)}, (loss,)


def reconstruct_with_norm(network: Callable[[Tree, Tree, Any], Any], state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    def objective(p: Tree) -> tuple[Any, Tree]:
        stats = dict(state["stats"])
        return jnp.mean(jnp.square(network(p, stats, x) - x)), stats

    (loss, stats), g = jax.value_and_grad(objective, has_aux=True)(state["network"]["p"])
    return {"network": adam(state["network"], g), "stats": stats}, (loss,)


def conv_network(p: Tree, x: Any) -> Any:
    for name in ("network.0", "network.3", "network.6"):
        x = max_pool(relu(conv(p, name, x, padding=1)))
    for name, padding in (("network.9", 1), ("network.12", 1), ("network.15", 0)):
        x = upsample(relu(conv(p, name, x, padding=padding)))
    return jax.nn.sigmoid(conv(p, "network.18", x, padding=1))


def conv_autoencoder(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    return descend(lambda p: jnp.mean(jnp.square(conv_network(p, x) - x)), state)


def wide_network(p: Tree, stats: Tree, x: Any) -> Any:
    for i in (0, 3, 6):
        x = relu(batch_norm(p, stats, f"network.{i + 1}", conv(p, f"network.{i}", x, padding=1)))
    return jax.nn.sigmoid(conv(p, "network.9", x, padding=1))


def block(p: Tree, stats: Tree, name: str, x: Any) -> Any:
    y = relu(batch_norm(p, stats, f"{name}.norm", conv(p, f"{name}.conv1", x, padding=1)))
    return x + conv(p, f"{name}.conv2", y, padding=1)


def residual_network(p: Tree, stats: Tree, x: Any) -> Any:
    large = block(p, stats, "network.block1", relu(conv(p, "network.stem", x, padding=1)))
    small = block(p, stats, "network.block2", relu(conv(p, "network.down1", large, stride=2, padding=1)))
    code = block(p, stats, "network.block3", relu(conv(p, "network.down2", small, stride=2, padding=1)))
    up = relu(conv_transpose(p, "network.up2", code, stride=2, padding=1))
    small = block(p, stats, "network.block4", up + small)
    up = relu(conv_transpose(p, "network.up1", small, stride=2, padding=1))
    return jax.nn.sigmoid(conv(p, "network.last", block(p, stats, "network.block5", up + large), padding=1))


def denoising_autoencoder(state: Tree, x: Any, _: Any, noise: Any) -> tuple[Tree, Any]:
    noise = noise.reshape(x.shape)  # one channel

    def objective(p: Tree) -> Any:
        y = x + 0.5 * noise
        for name in ("network.0", "network.3"):
            y = max_pool(relu(conv(p, name, y, padding=1)))
        for name in ("network.6", "network.9"):
            y = upsample(relu(conv(p, name, y, padding=1)))
        return jnp.mean(bce_with_logits(conv(p, "network.12", y, padding=1), x))

    return descend(objective, state)


def encoder(p: Tree, x: Any, layers: int) -> tuple[Any, Any]:
    for i in range(layers):
        x = relu(conv(p, f"encoder.{2 * i}", x, stride=2, padding=1))
    h = x.reshape(len(x), -1)
    return dense(p, "mean", h), dense(p, "logvar", h)


def decoder(p: Tree, z: Any, layers: int) -> Any:
    x = relu(dense(p, "decoder.0", z)).reshape(len(z), 4, 4, -1)
    for i in range(layers):
        x = conv_transpose(p, f"decoder.{3 + 2 * i}", x if i == 0 else relu(x), stride=2, padding=1)
    return x


def conv_vae(state: Tree, x: Any, _: Any, noise: Any, layers: int) -> tuple[Tree, Any]:
    def objective(p: Tree) -> Any:
        mean, logvar = encoder(p, x, layers)
        z = mean + jnp.exp(0.5 * logvar) * noise
        return negative_bound(decoder(p, z, layers), x, mean, logvar)

    return descend(objective, state)


def vq_vae(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    def objective(p: Tree) -> Any:
        y = relu(conv(p, "encoder.0", x, stride=2, padding=1))
        y = relu(conv(p, "encoder.2", y, stride=2, padding=1))
        z = conv(p, "encoder.4", y)  # (N, 8, 8, 64)
        vectors, entries = z.reshape(-1, 64), p["codebook.weight"]
        nearest = jnp.argmin(jnp.sum(entries * entries, axis=1) - 2 * (vectors @ entries.T), axis=1)
        chosen = entries[nearest]
        straight_through = vectors + lax.stop_gradient(chosen - vectors)
        y = relu(conv(p, "decoder.0", straight_through.reshape(z.shape), padding=1))
        y = relu(conv_transpose(p, "decoder.2", y, stride=2, padding=1))
        images = conv_transpose(p, "decoder.4", y, stride=2, padding=1)
        commitment = jnp.mean(jnp.square(chosen - lax.stop_gradient(vectors)))
        commitment += 0.25 * jnp.mean(jnp.square(vectors - lax.stop_gradient(chosen)))
        return jnp.mean(jnp.square(images - x)) + commitment

    return descend(objective, state)


def classifier(state: Tree, x: Any, labels: Any) -> tuple[Tree, Any]:
    def objective(p: Tree) -> Any:
        y = max_pool(relu(conv(p, "network.2", relu(conv(p, "network.0", x)))))
        logits = dense(p, "network.8", relu(dense(p, "network.6", y.reshape(len(y), -1))))
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))

    return descend(objective, state)


STEPS = {
    "conv-ae": conv_autoencoder,
    "conv-vae": partial(conv_vae, layers=3),
    "wide-ae": partial(reconstruct_with_norm, wide_network),
    "conv-vae-64": partial(conv_vae, layers=4),
    "res-ae": partial(reconstruct_with_norm, residual_network),
    "vq-vae": vq_vae,
    "denoising-ae": denoising_autoencoder,
    "classifier": classifier,
}
IMAGE_FEATURES = {
    "conv-vae": {"mean": (128, 1), "logvar": (128, 1), "decoder.0": (128, 0)},
    "conv-vae-64": {"mean": (256, 1), "logvar": (256, 1), "decoder.0": (256, 0)},
    "classifier": {"network.6": (64, 1)},
}
