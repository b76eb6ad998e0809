"""The dense steps in JAX: (state, images, more images, noise) -> (state, losses).

Imports: JAX, jax_tools. Read next: ``minigen_bench/images/in_minigen.py``.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from minigen_bench.jax_tools import Tree, adam, adam_gan, bce_with_logits, dense, leaky, negative_bound


def dense_network(p: Tree, x: Any) -> Any:
    for name in ("network.0", "network.2", "network.4"):
        x = jax.nn.relu(dense(p, name, x))
    return jax.nn.sigmoid(dense(p, "network.6", x))


def dense_autoencoder(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    loss, g = jax.value_and_grad(lambda p: jnp.mean(jnp.square(dense_network(p, x) - x)))(state["network"]["p"])
    return {"network": adam(state["network"], g)}, (loss,)


def vae(state: Tree, x: Any, _: Any, noise: Any) -> tuple[Tree, Any]:
    def objective(p: Tree) -> Any:
        h = jax.nn.relu(dense(p, "encoder.0", x))
        mean, logvar = dense(p, "mean", h), dense(p, "logvar", h)
        z = mean + jnp.exp(0.5 * logvar) * noise
        logits = dense(p, "decoder.2", jax.nn.relu(dense(p, "decoder.0", z)))
        return negative_bound(logits, x, mean, logvar)

    loss, g = jax.value_and_grad(objective)(state["network"]["p"])
    return {"network": adam(state["network"], g)}, (loss,)


def dense_generator(p: Tree, z: Any) -> Any:
    for i in range(0, 8, 2):
        z = leaky(dense(p, f"generator.{i}", z))
    return jnp.tanh(dense(p, "generator.8", z))


def dense_discriminator(p: Tree, x: Any) -> Any:
    for i in range(0, 12, 2):
        x = leaky(dense(p, f"discriminator.{i}", x))
    return dense(p, "discriminator.12", x)


def dense_gan(state: Tree, real: Any, _: Any, noise_d: Any, noise_g: Any) -> tuple[Tree, Any]:
    d, g = state["discriminator"], state["generator"]
    both = jnp.concatenate([real, dense_generator(g["p"], noise_d)])
    labels = (jnp.arange(len(both)) < len(real)).astype(real.dtype)[:, None]

    def objective_d(p: Tree) -> Any:
        return jnp.mean(bce_with_logits(dense_discriminator(p, both), labels))

    def objective_g(p: Tree) -> Any:
        return jnp.mean(bce_with_logits(dense_discriminator(d["p"], dense_generator(p, noise_g)), 1.0))

    loss_d, slope = jax.value_and_grad(objective_d)(d["p"])
    d = adam_gan(d, slope)
    loss_g, slope = jax.value_and_grad(objective_g)(g["p"])
    return {"discriminator": d, "generator": adam_gan(g, slope)}, (loss_d, loss_g)


STEPS = {"dense-ae": dense_autoencoder, "vae": vae, "gan": dense_gan, "gan-by-hand": dense_gan}
IMAGE_FEATURES: dict[str, dict[str, tuple[int, int]]] = {}
