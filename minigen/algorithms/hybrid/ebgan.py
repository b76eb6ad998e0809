"""Energy-based GAN (Zhao et al. 2017, arXiv:1609.03126): an autoencoder's error is the energy of an image.

e(v) = mean (v - D(v))^2 over the pixels of one image. The discriminator gives real images a low energy, and made ones a
high one, up to a margin m beyond which it lets go of them; the generator makes images of low energy (equations 1, 2):

    loss           is                                moves           passes
    discriminator  E e(x) + E max(0, m - e(G(z)))    discriminator   made images are detached
    generator      E e(G(z)) + w P(S)                generator       discriminator

P(S) is the pull-away term (equation 4): of the codes S that the discriminator gives to made images, the mean squared
cosine of two different ones. Codes at right angles belong to images that are not alike.

Imports: losses, ops, build. Read next: ``minigen/algorithms/transfer.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, nn, ops
from minigen.algorithms.adversarial.build import Options
from minigen.algorithms.adversarial.game import parts
from minigen.algorithms.experiment import Experiment, Setup, Step, Term, Terms
from minigen.algorithms.hybrid.build import (
    FAST,
    SAMPLED,
    assemble,
    make_ema_generator,
    new_autoencoder,
    new_generator,
    normal_like,
    recipe,
    training_noise,
)
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.hybrid import AutoencodingDiscriminator
from minigen.random import Generator

ROUTES = {"discriminator": ("discriminator",), "generator": ("generator",)}
THROUGH = {"generator": ("discriminator",)}
PIXEL = "squared error, mean per pixel"


def energies(reconstructions: Tensor, x: Tensor) -> Tensor:
    """The squared error of each image (N, C, H, W), mean per pixel: (N,)."""
    return ops.mean(losses.mse(reconstructions, x, reduction="none"), axis=(1, 2, 3))


def pull_away(codes: Tensor) -> Tensor:
    """The mean over pairs i != j of the squared cosine of codes (N, D), between 0 and 1; 0 for a single code."""
    n = len(codes)
    lengths = ops.sqrt(ops.sum(codes * codes, axis=1, keepdims=True) + 1e-12)  # inside: a code of 0 has no direction
    directions = codes / lengths
    squares = ops.matmul(directions, directions.T) ** 2
    others = Tensor(to_device(1 - np.eye(n, dtype=codes.dtype), codes.device))
    return ops.sum(squares * others) * (1 / max(1, n * (n - 1)))


def ledger(options: Options) -> dict[str, Term]:
    """What the terms are."""
    return {
        "loss": Term(f"{PIXEL}: the discriminator's"),
        "real_energy": Term(PIXEL, of="loss"),
        "margin": Term(f"{PIXEL}; what the energy of made images is short of the margin", of="loss"),
        "generator": Term(f"{PIXEL}, and weighted cosines"),
        "fake_energy": Term(PIXEL, of="generator"),
        "pull_away": Term("squared cosine, mean over pairs", weight=options["pull_away_weight"], of="generator"),
    }


def step_of(
    generator: nn.Module,
    discriminator: AutoencodingDiscriminator,
    update: Updates,
    noise: Generator,
    show: Show,
    options: Options,
    *,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """Equations 1 and 2. Both players see the same made images, the generator by the weights after the first update.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; the generator's update is on
    the last part. An image as it is shown is also what has to be reconstructed.
    """

    def step(batch: Batch) -> Terms:
        generator.train()
        discriminator.train()
        for x in parts(to_device(batch.x, device), n_critic):
            fake = generator(normal_like(noise, len(x), options["latent"], generator))
            real, made = show(Tensor(x)), show(fake.detach())
            real_energy = ops.mean(energies(discriminator(real), real))
            short = ops.mean(ops.relu(options["margin"] - energies(discriminator(made), made)))
            loss = real_energy + short
            update("discriminator", loss)
            nn.power_iteration(discriminator)

        made = show(fake)
        codes = discriminator.encode(made)
        fake_energy, apart = ops.mean(energies(discriminator.decode(codes), made)), pull_away(codes)
        total = fake_energy + apart * options["pull_away_weight"]
        update("generator", total)
        if ema_generator is not None:
            ema_generator.follow(generator)
        return {
            "loss": loss, "real_energy": real_energy, "margin": short, "generator": total, "fake_energy": fake_energy,
            "pull_away": apart,
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    generator, discriminator, noise = new_generator(setup), new_autoencoder(setup), training_noise(setup)
    ema_generator, show = make_ema_generator(setup, generator), Show(setup, noise)
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def make_step(update: Updates) -> Step:
        settings = {"ema_generator": ema_generator, "n_critic": options["n_critic"], "device": device}
        return step_of(generator, discriminator, update, noise, show, options, **settings)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=ledger(options),
        sampler=ema_generator or generator,
        through=THROUGH,
        show=show,
        encoder=discriminator.encoder,
        decoder=discriminator.decoder,
    )


RECIPES = (
    recipe(
        "ebgan",
        "the discriminator is an autoencoder whose error is an energy, with a margin and a pull-away term",
        "Zhao, Mathieu and LeCun 2017, Energy-based generative adversarial network, arXiv:1609.03126",
        build,
        **{**SAMPLED, "norm": "none", "margin": 0.2, "pull_away_weight": 0.1, **FAST},
    ),
)
