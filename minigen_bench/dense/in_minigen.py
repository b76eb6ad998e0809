"""The dense steps in minigen.

Imports: NumPy, minigen, minigen_tools. Read next: ``in_torch.py``, the same in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minigen as mg
from minigen import Tensor, losses, nn, ops
from minigen_bench.minigen_tools import Networks, Update, adam, adam_gan, descend


def dense_autoencoder(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Dense(784, 128), ops.relu, nn.Dense(128, 64), ops.relu,
        nn.Dense(64, 128), ops.relu, nn.Dense(128, 784), ops.sigmoid,
    )  # fmt: skip
    optimizer = adam(network, like=x)

    def update() -> tuple[Tensor, ...]:
        loss = losses.mse(network(x), x)
        descend(loss, optimizer)
        return (loss,)

    return {"network": network}, update


def vae(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    encoder = nn.Sequential(nn.Dense(784, 400), ops.relu)
    to_mean, to_logvar = nn.Dense(400, 20), nn.Dense(400, 20)
    decoder = nn.Sequential(nn.Dense(20, 400), ops.relu, nn.Dense(400, 784))
    optimizer = adam(encoder, to_mean, to_logvar, decoder, like=x)

    def update(noise: Any) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = ops.reparameterize(mean, logvar, noise)
        kl = losses.gaussian_kl(mean, logvar, reduction="sum")
        loss = losses.bce_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss, optimizer)
        return (loss,)

    return {"encoder": encoder, "mean": to_mean, "logvar": to_logvar, "decoder": decoder}, update


def dense_gan(real: Tensor, _: Tensor, leaky: Callable[[Tensor], Tensor]) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(100, 128), leaky, nn.Dense(128, 256), leaky, nn.Dense(256, 512), leaky,
        nn.Dense(512, 1024), leaky, nn.Dense(1024, 784), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Dense(784, 1024), leaky, nn.Dense(1024, 512), leaky, nn.Dense(512, 256), leaky,
        nn.Dense(256, 128), leaky, nn.Dense(128, 64), leaky, nn.Dense(64, 32), leaky, nn.Dense(32, 1),
    )  # fmt: skip
    ones, zeros = (Tensor(make((len(real), 1), np.float32), device=real.device) for make in (np.ones, np.zeros))
    labels = ops.concat([ones, zeros])
    optimizer_d, optimizer_g = adam_gan(discriminator, real), adam_gan(generator, real)

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        loss_d = losses.bce_with_logits(discriminator(ops.concat([real, fake])), labels)  # both in one pass
        descend(loss_d, optimizer_d)
        loss_g = losses.bce_with_logits(discriminator(generator(Tensor(noise_g))), ones)
        descend(loss_g, optimizer_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


STEPS = {
    "dense-ae": dense_autoencoder,
    "vae": vae,
    "gan": partial(dense_gan, leaky=partial(ops.leaky_relu, slope=0.2)),
    "gan-by-hand": partial(dense_gan, leaky=lambda x: ops.leaky_relu(x, 0.2)),
}
