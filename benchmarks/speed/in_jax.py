"""The six training steps in JAX: one compiled function a step, buffers donated, images as (N, H, W, C).

That layout is the faster one for XLA on a CPU. For the gradient in the kernel of a transposed convolution with a
stride, XLA has no fast way in any layout: it is nearly all of the time of the DCGAN and of the critic. A network is a
function of a flat dictionary of arrays, whose names are those of the other libraries; `own_layout` turns their weights
into this layout.

Imports: JAX. Read next: ``worker.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .work import WORKS

Tree = dict[str, Any]

leaky = partial(jax.nn.leaky_relu, negative_slope=0.2)


# Layers. p holds the weights; conv_transpose finds its kernels mirrored, as `own_layout` left them.


def dense(p: Tree, name: str, x: Any) -> Any:
    y = x @ p[f"{name}.weight"]
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def conv(p: Tree, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    around = [(padding, padding)] * 2
    y = lax.conv_general_dilated(x, p[f"{name}.weight"], (stride, stride), around, dimension_numbers=IMAGES)
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def conv_transpose(p: Tree, name: str, x: Any, stride: int = 1) -> Any:
    """5x5, padding 2, output_padding stride - 1."""
    y = lax.conv_general_dilated(
        x, p[f"{name}.weight"], (1, 1), [(2, 1 + stride)] * 2, lhs_dilation=(stride, stride), dimension_numbers=IMAGES
    )
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


IMAGES = ("NHWC", "HWIO", "NHWC")


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


# Adam, and what an update of one network with it is.


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


# The networks and their updates: (state, real, fake, noise) -> (state, losses).


def dense_network(p: Tree, x: Any) -> Any:
    for name in ("network.0", "network.2", "network.4"):
        x = jax.nn.relu(dense(p, name, x))
    return jax.nn.sigmoid(dense(p, "network.6", x))


def conv_network(p: Tree, x: Any) -> Any:
    for name in ("network.0", "network.3", "network.6"):
        x = max_pool(jax.nn.relu(conv(p, name, x, padding=1)))
    for name, padding in (("network.9", 1), ("network.12", 1), ("network.15", 0)):
        x = upsample(jax.nn.relu(conv(p, name, x, padding=padding)))
    return jax.nn.sigmoid(conv(p, "network.18", x, padding=1))


def reconstruct(network: Callable[[Tree, Any], Any], state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    loss, g = jax.value_and_grad(lambda p: jnp.mean(jnp.square(network(p, x) - x)))(state["network"]["p"])
    return {"network": adam(state["network"], g)}, (loss,)


def vae(state: Tree, x: Any, _: Any, noise: Any) -> tuple[Tree, Any]:
    def objective(p: Tree) -> Any:
        h = jax.nn.relu(dense(p, "encoder.0", x))
        mean, logvar = dense(p, "mean", h), dense(p, "logvar", h)
        z = mean + jnp.exp(0.5 * logvar) * noise
        logits = dense(p, "decoder.2", jax.nn.relu(dense(p, "decoder.0", z)))
        kl = -0.5 * jnp.sum(1 + logvar - mean**2 - jnp.exp(logvar))
        return jnp.sum(bce_with_logits(logits, x)) + kl

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


def dcgan_generator(p: Tree, stats: Tree, z: Any) -> Any:
    x = leaky(batch_norm(p, stats, "generator.1", dense(p, "generator.0", z))).reshape(-1, 7, 7, 256)
    x = leaky(batch_norm(p, stats, "generator.5", conv_transpose(p, "generator.4", x)))
    x = leaky(batch_norm(p, stats, "generator.8", conv_transpose(p, "generator.7", x, stride=2)))
    return jnp.tanh(conv_transpose(p, "generator.10", x, stride=2))


def dcgan_discriminator(p: Tree, stats: Tree, x: Any) -> Any:
    for i in (0, 3):
        x = conv(p, f"discriminator.{i}", x, stride=2, padding=1)
        x = leaky(batch_norm(p, stats, f"discriminator.{i + 1}", x))
    return dense(p, "discriminator.7", x.reshape(len(x), -1))


def dcgan(state: Tree, real: Any, _: Any, noise_d: Any, noise_g: Any) -> tuple[Tree, Any]:
    d, g, stats = state["discriminator"], state["generator"], dict(state["stats"])
    fake = dcgan_generator(g["p"], stats, noise_d)

    def objective_d(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        on_real = jnp.mean(bce_with_logits(dcgan_discriminator(p, stats, real), 1.0))
        return on_real + jnp.mean(bce_with_logits(dcgan_discriminator(p, stats, fake), 0.0)), stats

    def objective_g(p: Tree, stats: Tree) -> tuple[Any, Tree]:
        stats = dict(stats)
        logits = dcgan_discriminator(d["p"], stats, dcgan_generator(p, stats, noise_g))
        return jnp.mean(bce_with_logits(logits, 1.0)), stats

    (loss_d, stats), slope = jax.value_and_grad(objective_d, has_aux=True)(d["p"], stats)
    d = adam_gan(d, slope)
    (loss_g, stats), slope = jax.value_and_grad(objective_g, has_aux=True)(g["p"], stats)
    return {"discriminator": d, "generator": adam_gan(g, slope), "stats": stats}, (loss_d, loss_g)


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


MODELS = {
    "dense-ae": partial(reconstruct, dense_network),
    "conv-ae": partial(reconstruct, conv_network),
    "vae": vae,
    "gan": dense_gan,
    "dcgan": dcgan,
    "wgan-gp": wgan_gp,
}


# Dense features that are images before or after: layer -> (channels, the axis of its weight).
IMAGE_FEATURES = {
    "dcgan": {"generator.0": (256, 0), "generator.1": (256, 0), "discriminator.7": (32, 1)},
    "wgan-gp": {"critic.5": (128, 1)},
}


def own_layout(model: str, name: str, w: Any) -> Any:
    """A weight of PyTorch's layout in that of this file."""
    if w.ndim == 4:  # (K, C, kh, kw) or, transposed, (C, K, kh, kw) to (kh, kw, C, K)
        return w.transpose(2, 3, 0, 1)[::-1, ::-1] if name.startswith("generator") else w.transpose(2, 3, 1, 0)
    channels, axis = IMAGE_FEATURES.get(model, {}).get(name.rpartition(".")[0], (0, 0))
    if channels and axis < w.ndim:  # (C, H, W) to (H, W, C)
        w = w.take(np.arange(w.shape[axis]).reshape(channels, -1).T.ravel(), axis)
    return w.T  # (out, in) to (in, out)


class Training:
    """One of the models, ready to be stepped, with the weights that minigen starts from."""

    def __init__(self, name: str, batch: int, weights: dict[str, Any]) -> None:
        self.work, self.key = WORKS[name], jax.random.key(2)
        data = [jnp.asarray(self._image(x)) for x in self.work.data(batch)]
        own = {k: jnp.array(np.ascontiguousarray(own_layout(name, k, w))) for k, w in weights.items()}
        stats = {k: w for k, w in own.items() if ".running_" in k}
        groups = ("generator", "discriminator") if name in ("gan", "dcgan") else ("",)
        self.state: Tree = {
            group or "network": start({k: w for k, w in own.items() if k not in stats and k.startswith(group)})
            for group in groups
        }
        if stats:
            self.state["stats"] = stats
        self._data, update = data, MODELS[name]

        def draw_and_update(state: Tree, data: Any, key: Any) -> tuple[Tree, Any, Any]:
            key, *keys = jax.random.split(key, 1 + len(self.work.noise))
            noise = [getattr(jax.random, kind)(k, (batch, *shape)) for k, (kind, shape) in zip(keys, self.work.noise)]
            state, losses = update(state, *data, *noise)
            return state, key, losses

        self._update = jax.jit(lambda state, data, noise: update(state, *data, *noise), donate_argnums=0)
        self._step = jax.jit(draw_and_update, donate_argnums=0)

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        self.state, losses = self._update(self.state, self._data, list(noise))
        return [float(loss) for loss in losses]

    def step(self) -> None:
        """One update with noise of its own."""
        self.state, self.key, _ = self._step(self.state, self._data, self.key)

    def wait(self) -> None:
        """Return when all steps are done."""
        jax.block_until_ready(self.state)

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}

    @staticmethod
    def _image(x: Any) -> Any:
        return np.moveaxis(x, 1, -1) if x.ndim == 4 else x
