"""The steps of convolutional GANs in minigen.

Imports: NumPy, minigen, minigen_tools. Read next: ``in_torch.py``, the same in PyTorch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import minigen as mg
from minigen import Tensor, losses, nn, ops
from minigen_bench.minigen_tools import Networks, Update, adam, adam_gan, descend

leaky = partial(ops.leaky_relu, slope=0.2)


def adversaries(generator: nn.Module, discriminator: nn.Module, real: Tensor) -> tuple[Networks, Update]:
    """Batch norm sees real and fake images apart: two passes."""
    ones, zeros = (Tensor(make((len(real), 1), np.float32), device=real.device) for make in (np.ones, np.zeros))
    optimizer_d, optimizer_g = adam_gan(discriminator, real), adam_gan(generator, real)

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        loss_d = losses.bce_with_logits(discriminator(real), ones)
        loss_d = loss_d + losses.bce_with_logits(discriminator(fake), zeros)
        descend(loss_d, optimizer_d)
        loss_g = losses.bce_with_logits(discriminator(generator(Tensor(noise_g))), ones)
        descend(loss_g, optimizer_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def dcgan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(100, 7 * 7 * 256, bias=False), nn.BatchNorm(7 * 7 * 256), leaky, nn.Reshape((256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False), nn.BatchNorm(128), leaky,
        nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1, bias=False), nn.BatchNorm(64), leaky,
        nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm(64), leaky,
        nn.Conv2d(64, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm(32), leaky,
        nn.Flatten(), nn.Dense(32 * 7 * 7, 1),
    )  # fmt: skip
    return adversaries(generator, discriminator, real)


def large_dcgan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Reshape((100, 1, 1)), nn.ConvTranspose2d(100, 512, 4, bias=False), nn.BatchNorm(512), ops.relu,
        nn.ConvTranspose2d(512, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm(256), ops.relu,
        nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm(128), ops.relu,
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm(64), ops.relu,
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1), leaky,
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm(128), leaky,
        nn.Conv2d(128, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm(256), leaky,
        nn.Conv2d(256, 512, 4, stride=2, padding=1, bias=False), nn.BatchNorm(512), leaky,
        nn.Conv2d(512, 1, 4), nn.Flatten(),
    )  # fmt: skip
    return adversaries(generator, discriminator, real)


def wgan_gp(real: Tensor, fake: Tensor) -> tuple[Networks, Update]:
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 5, stride=2, padding=2), leaky, nn.Conv2d(64, 128, 5, stride=2, padding=2), leaky,
        nn.Flatten(), nn.Dense(128 * 7 * 7, 1),
    )  # fmt: skip
    n = len(real)
    optimizer = adam(critic, like=real, lr=1e-4, betas=(0.0, 0.9))

    def update(noise: Any) -> tuple[Tensor, ...]:
        scores = critic(ops.concat([real, fake]))  # both in one pass
        between = Tensor(fake.data + noise * (real.data - fake.data), requires_grad=True)
        (slope,) = mg.grad(ops.sum(critic(between)), [between], create_graph=True)
        length = ops.norm(ops.flatten(slope), axis=1)
        loss = ops.mean(scores[n:]) - ops.mean(scores[:n]) + 10 * ops.mean((length - 1) ** 2)
        descend(loss, optimizer)
        return (loss,)

    return {"critic": critic}, update


def sngan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(128, 4096, bias=False), nn.Reshape((256, 4, 4)), nn.BatchNorm(256), ops.relu,
        nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm(128), ops.relu,
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm(64), ops.relu,
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(3, 64, 4, stride=2, padding=1)), leaky,
        nn.SpectralNorm(nn.Conv2d(64, 128, 4, stride=2, padding=1)), leaky,
        nn.SpectralNorm(nn.Conv2d(128, 256, 4, stride=2, padding=1)), leaky,
        nn.Flatten(), nn.SpectralNorm(nn.Dense(4096, 1)),
    )  # fmt: skip
    for _iteration in range(200):  # until the singular vectors stay: PyTorch begins an iteration with the other one
        nn.power_iteration(discriminator)
    n, optimizer_d, optimizer_g = len(real), adam_gan(discriminator, real), adam_gan(generator, real)

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        nn.power_iteration(discriminator)
        scores = discriminator(ops.concat([real, fake]))
        loss_d = ops.mean(ops.relu(1 - scores[:n])) + ops.mean(ops.relu(1 + scores[n:]))
        descend(loss_d, optimizer_d)
        nn.power_iteration(discriminator)
        loss_g = -ops.mean(discriminator(generator(Tensor(noise_g))))
        descend(loss_g, optimizer_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def r1_gan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(64, 64 * 7 * 7), ops.relu, nn.Reshape((64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), ops.relu,
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), leaky,
        nn.Conv2d(32, 64, 4, stride=2, padding=1), leaky,
        nn.Flatten(), nn.Dense(64 * 7 * 7, 1),
    )  # fmt: skip
    optimizer_d, optimizer_g = adam_gan(discriminator, real), adam_gan(generator, real)

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        x = Tensor(real.data, requires_grad=True)
        scores = discriminator(x)
        (slope,) = mg.grad(ops.sum(scores), [x], create_graph=True)
        penalty = ops.mean(ops.sum(slope**2, axis=(1, 2, 3)))
        loss_d = ops.mean(ops.softplus(-scores)) + ops.mean(ops.softplus(discriminator(fake))) + 5 * penalty
        descend(loss_d, optimizer_d)
        loss_g = ops.mean(ops.softplus(-discriminator(generator(Tensor(noise_g)))))
        descend(loss_g, optimizer_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


STEPS = {"dcgan": dcgan, "wgan-gp": wgan_gp, "dcgan-64": large_dcgan, "sngan": sngan, "r1-gan": r1_gan}
