"""The steps of convolutional GANs in JAX.

For the gradient in the kernel of a transposed convolution with a stride, XLA on a CPU has no fast way in any layout: it
is nearly all of the time of the DCGANs and of the critic.

Imports: JAX, jax_tools. Read next: ``minigen_bench/further/in_minigen.py``.
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
    adam_gan,
    batch_norm,
    bce_with_logits,
    conv,
    conv_transpose,
    dense,
    leaky,
)

Network = Callable[[Tree, Tree, Any], Any]  # (parameters, statistics, images or codes)


def adversaries(
    generator: Network, discriminator: Network, state: Tree, real: Any, _: Any, noise_d: Any, noise_g: Any
) -> tuple[Tree, Any]:
    d, g, stats = state["discriminator"], state["generator"], dict(state["stats"])
    fake = generator(g["p"], stats, noise_d)

    def objective_d(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        on_real = jnp.mean(bce_with_logits(discriminator(p, stats, real), 1.0))
        return on_real + jnp.mean(bce_with_logits(discriminator(p, stats, fake), 0.0)), stats

    def objective_g(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        return jnp.mean(bce_with_logits(discriminator(d["p"], stats, generator(p, stats, noise_g)), 1.0)), stats

    (loss_d, stats), slope = jax.value_and_grad(objective_d, has_aux=True)(d["p"], stats)
    d = adam_gan(d, slope)
    (loss_g, stats), slope = jax.value_and_grad(objective_g, has_aux=True)(g["p"], stats)
    return {"discriminator": d, "generator": adam_gan(g, slope), "stats": stats}, (loss_d, loss_g)


def dcgan_generator(p: Tree, stats: Tree, z: Any) -> Any:
    x = leaky(batch_norm(p, stats, "generator.1", dense(p, "generator.0", z))).reshape(-1, 7, 7, 256)
    x = leaky(batch_norm(p, stats, "generator.5", conv_transpose(p, "generator.4", x, padding=2)))
    x = conv_transpose(p, "generator.7", x, stride=2, padding=2, output_padding=1)
    x = leaky(batch_norm(p, stats, "generator.8", x))
    return jnp.tanh(conv_transpose(p, "generator.10", x, stride=2, padding=2, output_padding=1))


def dcgan_discriminator(p: Tree, stats: Tree, x: Any) -> Any:
    for i in (0, 3):
        x = conv(p, f"discriminator.{i}", x, stride=2, padding=1)
        x = leaky(batch_norm(p, stats, f"discriminator.{i + 1}", x))
    return dense(p, "discriminator.7", x.reshape(len(x), -1))


def large_generator(p: Tree, stats: Tree, z: Any) -> Any:
    x = conv_transpose(p, "generator.1", z[:, None, None])
    x = jax.nn.relu(batch_norm(p, stats, "generator.2", x))
    for i in (4, 7, 10):
        x = conv_transpose(p, f"generator.{i}", x, stride=2, padding=1)
        x = jax.nn.relu(batch_norm(p, stats, f"generator.{i + 1}", x))
    return jnp.tanh(conv_transpose(p, "generator.13", x, stride=2, padding=1))


def large_discriminator(p: Tree, stats: Tree, x: Any) -> Any:
    x = leaky(conv(p, "discriminator.0", x, stride=2, padding=1))
    for i in (2, 5, 8):
        x = conv(p, f"discriminator.{i}", x, stride=2, padding=1)
        x = leaky(batch_norm(p, stats, f"discriminator.{i + 1}", x))
    return conv(p, "discriminator.11", x).reshape(-1, 1)


def critic(p: Tree, x: Any) -> Any:
    x = leaky(conv(p, "critic.0", x, stride=2, padding=2))
    x = leaky(conv(p, "critic.2", x, stride=2, padding=2))
    return dense(p, "critic.5", x.reshape(len(x), -1))


def wgan_gp(state: Tree, real: Any, fake: Any, noise: Any) -> tuple[Tree, Any]:
    between = fake + noise * (real - fake)

    def objective(p: Tree) -> Any:
        scores = critic(p, jnp.concatenate([real, fake]))
        slope = jax.grad(lambda x: jnp.sum(critic(p, x)))(between)
        length = jnp.sqrt(jnp.sum(jnp.square(slope), (1, 2, 3)))
        n = len(real)
        return jnp.mean(scores[n:]) - jnp.mean(scores[:n]) + 10 * jnp.mean(jnp.square(length - 1))

    loss, g = jax.value_and_grad(objective)(state["network"]["p"])
    return {"network": adam(state["network"], g, 1e-4, 0.0, 0.9)}, (loss,)


def normalized(p: Tree, stats: Tree, name: str) -> Tree:
    """The layer with its weight divided by u^T W v, after one step of the power method on u, which `stats` keeps."""
    w = p[f"{name}.layer.weight"]
    matrix = w.reshape(-1, w.shape[-1])  # (everything else, out)

    def unit(x: Any) -> Any:
        return x / (jnp.linalg.norm(x) + 1e-12)

    fixed = lax.stop_gradient(matrix)
    v = unit(fixed @ stats[f"{name}.u"])
    u = unit(v @ fixed)
    stats[f"{name}.u"] = u
    return {f"{name}.weight": w / (v @ matrix @ u), f"{name}.bias": p[f"{name}.layer.bias"]}


def sn_discriminator(p: Tree, stats: Tree, x: Any) -> Any:
    for name in ("discriminator.0", "discriminator.2", "discriminator.4"):
        x = leaky(conv(normalized(p, stats, name), name, x, stride=2, padding=1))
    return dense(normalized(p, stats, "discriminator.7"), "discriminator.7", x.reshape(len(x), -1))


def sn_generator(p: Tree, stats: Tree, z: Any) -> Any:
    x = dense(p, "generator.0", z).reshape(-1, 4, 4, 256)
    x = jax.nn.relu(batch_norm(p, stats, "generator.2", x))
    for i in (4, 7):
        x = conv_transpose(p, f"generator.{i}", x, stride=2, padding=1)
        x = jax.nn.relu(batch_norm(p, stats, f"generator.{i + 1}", x))
    return jnp.tanh(conv_transpose(p, "generator.10", x, stride=2, padding=1))


def sngan(state: Tree, real: Any, _: Any, noise_d: Any, noise_g: Any) -> tuple[Tree, Any]:
    d, g, stats = state["discriminator"], state["generator"], dict(state["stats"])
    both, n = jnp.concatenate([real, sn_generator(g["p"], stats, noise_d)]), len(real)

    def objective_d(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        scores = sn_discriminator(p, stats, both)
        return jnp.mean(jax.nn.relu(1 - scores[:n])) + jnp.mean(jax.nn.relu(1 + scores[n:])), stats

    def objective_g(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        return -jnp.mean(sn_discriminator(d["p"], stats, sn_generator(p, stats, noise_g))), stats

    (loss_d, stats), slope = jax.value_and_grad(objective_d, has_aux=True)(d["p"], stats)
    d = adam_gan(d, slope)
    (loss_g, stats), slope = jax.value_and_grad(objective_g, has_aux=True)(g["p"], stats)
    return {"discriminator": d, "generator": adam_gan(g, slope), "stats": stats}, (loss_d, loss_g)


def r1_generator(p: Tree, z: Any) -> Any:
    x = jax.nn.relu(dense(p, "generator.0", z)).reshape(-1, 7, 7, 64)
    x = jax.nn.relu(conv_transpose(p, "generator.3", x, stride=2, padding=1))
    return jnp.tanh(conv_transpose(p, "generator.5", x, stride=2, padding=1))


def r1_discriminator(p: Tree, x: Any) -> Any:
    for name in ("discriminator.0", "discriminator.2"):
        x = leaky(conv(p, name, x, stride=2, padding=1))
    return dense(p, "discriminator.5", x.reshape(len(x), -1))


def r1_gan(state: Tree, real: Any, _: Any, noise_d: Any, noise_g: Any) -> tuple[Tree, Any]:
    d, g = state["discriminator"], state["generator"]
    fake = r1_generator(g["p"], noise_d)

    def objective_d(p: Tree) -> Any:
        def total(x: Any) -> tuple[Any, Any]:
            scores = r1_discriminator(p, x)
            return jnp.sum(scores), scores

        slope, scores = jax.grad(total, has_aux=True)(real)
        penalty = jnp.mean(jnp.sum(jnp.square(slope), (1, 2, 3)))
        on_both = jnp.mean(jax.nn.softplus(-scores)) + jnp.mean(jax.nn.softplus(r1_discriminator(p, fake)))
        return on_both + 5 * penalty

    def objective_g(p: Tree) -> Any:
        return jnp.mean(jax.nn.softplus(-r1_discriminator(d["p"], r1_generator(p, noise_g))))

    loss_d, slope = jax.value_and_grad(objective_d)(d["p"])
    d = adam_gan(d, slope)
    loss_g, slope = jax.value_and_grad(objective_g)(g["p"])
    return {"discriminator": d, "generator": adam_gan(g, slope)}, (loss_d, loss_g)


STEPS = {
    "dcgan": partial(adversaries, dcgan_generator, dcgan_discriminator),
    "wgan-gp": wgan_gp,
    "dcgan-64": partial(adversaries, large_generator, large_discriminator),
    "sngan": sngan,
    "r1-gan": r1_gan,
}
IMAGE_FEATURES = {
    "dcgan": {"generator.0": (256, 0), "generator.1": (256, 0), "discriminator.7": (32, 1)},
    "wgan-gp": {"critic.5": (128, 1)},
    "sngan": {"generator.0": (256, 0), "discriminator.7.layer": (256, 1)},
    "r1-gan": {"generator.0": (64, 0), "discriminator.5": (64, 1)},
}
