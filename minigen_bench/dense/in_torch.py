"""The dense steps in PyTorch.

Imports: PyTorch, torch_tools. Read next: ``in_jax.py``, the same in JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody gives it
from torch import Tensor, nn

from minigen_bench.torch_tools import Adam, Networks, Update, descend_by, descend_gan


def dense_autoencoder(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid(),
    )  # fmt: skip
    descend = descend_by(adam, network)

    def update() -> tuple[Tensor, ...]:
        loss = F.mse_loss(network(x), x)
        descend(loss)
        return (loss,)

    return {"network": network}, update


def vae(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
    to_mean, to_logvar = nn.Linear(400, 20), nn.Linear(400, 20)
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    descend = descend_by(adam, encoder, to_mean, to_logvar, decoder)

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = mean + torch.exp(0.5 * logvar) * noise
        kl = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
        loss = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss)
        return (loss,)

    return {"encoder": encoder, "mean": to_mean, "logvar": to_logvar, "decoder": decoder}, update


class LeakyByHand(nn.Module):
    """Leaky ReLU as a module of the user's."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.2)


def dense_gan(real: Tensor, _: Tensor, adam: Adam, leaky: Callable[[], nn.Module]) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(100, 128), leaky(), nn.Linear(128, 256), leaky(), nn.Linear(256, 512), leaky(),
        nn.Linear(512, 1024), leaky(), nn.Linear(1024, 784), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Linear(784, 1024), leaky(), nn.Linear(1024, 512), leaky(), nn.Linear(512, 256), leaky(),
        nn.Linear(256, 128), leaky(), nn.Linear(128, 64), leaky(), nn.Linear(64, 32), leaky(), nn.Linear(32, 1),
    )  # fmt: skip
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    labels = torch.cat([ones, zeros])
    descend_d, descend_g = (descend_gan(adam, network) for network in (discriminator, generator))

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        loss_d = F.binary_cross_entropy_with_logits(discriminator(torch.cat([real, fake])), labels)
        descend_d(loss_d)
        loss_g = F.binary_cross_entropy_with_logits(discriminator(generator(noise_g)), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


STEPS = {
    "dense-ae": dense_autoencoder,
    "vae": vae,
    "gan": partial(dense_gan, leaky=partial(nn.LeakyReLU, 0.2)),
    "gan-by-hand": partial(dense_gan, leaky=LeakyByHand),
}
