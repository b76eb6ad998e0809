"""The steps of convolutional GANs in PyTorch.

Imports: PyTorch, torch_tools. Read next: ``in_jax.py``, the same in JAX.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody gives it
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from minigen_bench.torch_tools import Adam, Networks, Update, descend_by, descend_gan

leaky = partial(nn.LeakyReLU, 0.2)


def adversaries(generator: nn.Module, discriminator: nn.Module, real: Tensor, adam: Adam) -> tuple[Networks, Update]:
    """Batch norm sees real and fake images apart: two passes."""
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    descend_d, descend_g = descend_gan(adam, discriminator), descend_gan(adam, generator)

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        loss_d = F.binary_cross_entropy_with_logits(discriminator(real), ones)
        loss_d = loss_d + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
        descend_d(loss_d)
        loss_g = F.binary_cross_entropy_with_logits(discriminator(generator(noise_g)), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def dcgan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(100, 7 * 7 * 256, bias=False), nn.BatchNorm1d(7 * 7 * 256), leaky(), nn.Unflatten(1, (256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False), nn.BatchNorm2d(128), leaky(),
        nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1, bias=False), nn.BatchNorm2d(64), leaky(),
        nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), leaky(),
        nn.Conv2d(64, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), leaky(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 1),
    )  # fmt: skip
    return adversaries(generator, discriminator, real, adam)


def large_dcgan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)), nn.ConvTranspose2d(100, 512, 4, bias=False), nn.BatchNorm2d(512), nn.ReLU(),
        nn.ConvTranspose2d(512, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1), leaky(),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), leaky(),
        nn.Conv2d(128, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(256), leaky(),
        nn.Conv2d(256, 512, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(512), leaky(),
        nn.Conv2d(512, 1, 4), nn.Flatten(),
    )  # fmt: skip
    return adversaries(generator, discriminator, real, adam)


def wgan_gp(real: Tensor, fake: Tensor, adam: Adam) -> tuple[Networks, Update]:
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 5, stride=2, padding=2), leaky(), nn.Conv2d(64, 128, 5, stride=2, padding=2), leaky(),
        nn.Flatten(), nn.Linear(128 * 7 * 7, 1),
    )  # fmt: skip
    n = len(real)
    descend = descend_by(adam, critic, lr=1e-4, betas=(0.0, 0.9))

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        scores = critic(torch.cat([real, fake]))  # both in one pass
        between = (fake + noise * (real - fake)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        length = slope.flatten(1).norm(dim=1)
        loss = torch.mean(scores[n:]) - torch.mean(scores[:n]) + 10 * torch.mean((length - 1) ** 2)
        descend(loss)
        return (loss,)

    return {"critic": critic}, update


def sngan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(128, 4096, bias=False), nn.Unflatten(1, (256, 4, 4)), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        spectral_norm(nn.Conv2d(3, 64, 4, stride=2, padding=1)), leaky(),
        spectral_norm(nn.Conv2d(64, 128, 4, stride=2, padding=1)), leaky(),
        spectral_norm(nn.Conv2d(128, 256, 4, stride=2, padding=1)), leaky(),
        nn.Flatten(), spectral_norm(nn.Linear(4096, 1)),
    )  # fmt: skip
    n, descend_d, descend_g = len(real), descend_gan(adam, discriminator), descend_gan(adam, generator)

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        scores = discriminator(torch.cat([real, fake]))
        loss_d = torch.mean(F.relu(1 - scores[:n])) + torch.mean(F.relu(1 + scores[n:]))
        descend_d(loss_d)
        loss_g = -torch.mean(discriminator(generator(noise_g)))
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def r1_gan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(64, 64 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), leaky(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1), leaky(),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 1),
    )  # fmt: skip
    descend_d, descend_g = descend_gan(adam, discriminator), descend_gan(adam, generator)

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        x = real.detach().requires_grad_()
        scores = discriminator(x)
        (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        penalty = torch.mean(torch.sum(slope**2, dim=(1, 2, 3)))
        loss_d = torch.mean(F.softplus(-scores)) + torch.mean(F.softplus(discriminator(fake))) + 5 * penalty
        descend_d(loss_d)
        loss_g = torch.mean(F.softplus(-discriminator(generator(noise_g))))
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


STEPS = {"dcgan": dcgan, "wgan-gp": wgan_gp, "dcgan-64": large_dcgan, "sngan": sngan, "r1-gan": r1_gan}
