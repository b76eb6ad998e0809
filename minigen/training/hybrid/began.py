"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): an autoencoder as discriminator, in a game that is kept in balance.

L(v) = mean |v - D(v)| over pixels and images. The discriminator learns to reconstruct real images well and made ones
badly; the generator, to make images that it reconstructs well (section 3.4):

    loss           is                           moves           passes
    discriminator  L(x) - k L(G(z))             discriminator   made images are detached
    generator      L(G(z))                      generator       discriminator

k <- k + rate (gamma L(x) - L(G(z))), kept within 0 and 1, holds L(G(z)) at gamma times L(x): a small gamma asks for
good images (with 0.5 digits are all ones), a large one for different ones. The rate of the paper, 0.001, is for runs of
hundred thousand updates. L(x) + |gamma L(x) - L(G(z))| measures convergence, which the losses of
other GANs do not. k is a buffer of the module "balance", so that a run resumes with it.

Imports: losses, adversarial, build. Read next: ``ebgan.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, nn, ops
from minigen.data import Batch
from minigen.device import array_module, to_device
from minigen.models.hybrid import AutoencodingDiscriminator
from minigen.random import Generator
from minigen.tensor import Tensor
from minigen.training.experiment import Experiment, Setup, Step, Term, Terms
from minigen.training.hybrid.build import (
    FAST,
    SAMPLED,
    assemble,
    new_autoencoder,
    new_average,
    new_generator,
    normal_like,
    recipe,
    training_noise,
)
from minigen.training.updates import Updates

ROUTES = {"discriminator": ("discriminator",), "generator": ("generator",)}
THROUGH = {"generator": ("discriminator",)}
PIXEL = "absolute error, mean per pixel"


class Balance(nn.Module):
    """The weight k of the made images in the discriminator's loss, and `used`, that of the last update."""

    def __init__(self, diversity: float, rate: float) -> None:
        self.diversity, self.rate = diversity, rate
        self.k, self.used = (Tensor(np.zeros((), np.float32)) for _ in range(2))

    def surplus(self, real: Tensor, fake: Tensor) -> Tensor:
        """Gamma L(x) - L(G(z)): above 0 where made images are reconstructed better than the balance has them."""
        return real * self.diversity - fake

    def follow(self, real: Tensor, fake: Tensor) -> None:
        """The update of k, by errors that are scalars."""
        self.used.data = self.k.data
        moved = self.k.data + self.rate * self.surplus(real.detach(), fake.detach()).data
        self.k.data = array_module(moved).clip(moved, 0, 1).astype(self.k.dtype)

    def weight(self) -> float:
        """That of the made images in the last update."""
        return -float(self.used)


def ledger(balance: Balance) -> dict[str, Term]:
    """What the terms are."""
    return {
        "loss": Term(f"{PIXEL}: the discriminator's"),
        "real_error": Term(PIXEL, of="loss"),
        "fake_error": Term(PIXEL, weight=balance.weight, of="loss"),
        "generator": Term(PIXEL),
        "k": Term("weight of made images in the next update, 0..1"),
        "convergence": Term(f"{PIXEL}; that of real images, and how far the game is off its balance"),
    }


def step_of(
    generator: nn.Module,
    discriminator: AutoencodingDiscriminator,
    balance: Balance,
    update: Updates,
    noise: Generator,
    *,
    latent: int,
    average: nn.MovingAverage | None = None,
    device: str = "cpu",
) -> Step:
    """Section 3.4. Both players see the same made images, the generator by the weights that the first update left."""

    def step(batch: Batch) -> Terms:
        generator.train()
        discriminator.train()
        x = Tensor(to_device(batch.x, device))
        fake = generator(normal_like(noise, len(x), latent, generator))
        made = fake.detach()
        real_error, fake_error = losses.l1(discriminator(x), x), losses.l1(discriminator(made), made)
        loss = real_error - fake_error * balance.k.detach().to(dtype=x.dtype)
        update("discriminator", loss)
        nn.power_iteration(discriminator)

        error = losses.l1(discriminator(fake), fake)
        update("generator", error)
        if average is not None:
            average.follow(generator)
        balance.follow(real_error, error)
        convergence = real_error + ops.abs(balance.surplus(real_error, error))
        return {
            "loss": loss, "real_error": real_error, "fake_error": fake_error, "generator": error,
            "k": balance.k.detach(), "convergence": convergence.detach(),
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    generator, discriminator, noise = new_generator(setup), new_autoencoder(setup), training_noise(setup)
    balance, average = Balance(options["diversity"], options["balance_rate"]), new_average(setup, generator)
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "balance": balance}
    if average is not None:
        modules["average"] = average

    def make_step(update: Updates) -> Step:
        latent = options["latent"]
        return step_of(generator, discriminator, balance, update, noise, latent=latent, average=average, device=device)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=ledger(balance),
        painter=average or generator,
        through=THROUGH,
        encoder=discriminator.encoder,
        decoder=discriminator.decoder,
    )


RECIPES = (
    recipe(
        "began",
        "the discriminator is an autoencoder; a weight k keeps its errors on real and made images in balance",
        "Berthelot et al. 2017, BEGAN: boundary equilibrium generative adversarial networks, arXiv:1703.10717",
        build,
        **{**SAMPLED, "norm": "none", "diversity": 0.75, "balance_rate": 0.02, **FAST},
    ),
)
