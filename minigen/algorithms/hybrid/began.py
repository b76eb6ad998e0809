"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): an autoencoder as discriminator, in a game that is kept in balance.

L(v) says how badly D reconstructs images v. The discriminator learns to reconstruct real images well and made ones
badly; the generator, to make images that it reconstructs well (section 3.4):

    loss           is                                moves           passes
    discriminator  L(x) - k L(G(z))                  discriminator   made images are detached
    generator      L(G(z))                           generator       discriminator

k <- k + rate (gamma L(x) - L(G(z))), kept within 0 and 1, holds L(G(z)) at gamma times L(x): a small gamma asks for
good images, a large one for different ones. L(x) + |gamma L(x) - L(G(z))| measures convergence, which the losses of
other GANs do not. k is a buffer of the module "balance", so that a run resumes with it.

Two defaults are not the paper's, because with those of the paper all digits are soon ones. There L is |v - D(v)|, mean
over pixels (--error absolute). Of digits it grows with the ink, and the fewest mistakes can be made about a thin line:
a generator is drawn there whatever D does. So here the error is relative, a share of the image's own contrast. And with
gamma below 1 made images have to be easier than real ones, which the plainest are; so here it is 1. The rate of
the paper, 0.001, is for runs of hundred thousand updates.

Imports: losses, ops, build. Read next: ``ebgan.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, nn, ops
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
from minigen.device import array_module, to_device
from minigen.models.hybrid import AutoencodingDiscriminator
from minigen.random import Generator

ROUTES = {"discriminator": ("discriminator",), "generator": ("generator",)}
THROUGH = {"generator": ("discriminator",)}
UNITS = {"absolute": "absolute error, mean per pixel", "relative": "absolute error, share of the image's contrast"}
FLAT = 0.1  # is added to the contrast (0 to 1): a flat image has none, and its error no bound


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


def error_of(discriminator: nn.Module, x: Tensor, kind: str) -> Tensor:
    """L of images (N, C, H, W), a scalar: |x - D(x)|, mean per pixel ("absolute").

    Or a share ("relative") of the image's contrast, the mean of |x - its mean|: 1 is what a grey image achieves; mean
    over images. Both depend on x in both places, so that the generator feels what its images are measured by.
    """
    if kind == "absolute":
        return losses.l1(discriminator(x), x)
    pixels = tuple(range(1, x.ndim))
    contrast = ops.mean(ops.abs(x - ops.mean(x, axis=pixels, keepdims=True)), axis=pixels)
    return ops.mean(ops.mean(ops.abs(discriminator(x) - x), axis=pixels) / (contrast + FLAT))


def ledger(balance: Balance, kind: str) -> dict[str, Term]:
    """What the terms are, of that kind of error."""
    unit = UNITS[kind]
    return {
        "loss": Term(f"{unit}: the discriminator's"),
        "real_error": Term(unit, of="loss"),
        "fake_error": Term(unit, weight=balance.weight, of="loss"),
        "generator": Term(unit),
        "k": Term("weight of made images in the next update, 0..1"),
        "convergence": Term(f"{unit}; that of real images, and how far the game is off its balance"),
    }


def step_of(
    generator: nn.Module,
    discriminator: AutoencodingDiscriminator,
    balance: Balance,
    update: Updates,
    noise: Generator,
    show: Show,
    *,
    latent: int,
    kind: str,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """Section 3.4. Both players see the same made images, the generator by the weights that the first update left.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; the generator and k follow on
    the last part. An image as it is shown is also what has to be reconstructed.
    """

    def step(batch: Batch) -> Terms:
        generator.train()
        discriminator.train()
        for x in parts(to_device(batch.x, device), n_critic):
            fake = generator(normal_like(noise, len(x), latent, generator))
            real, made = show(Tensor(x)), show(fake.detach())
            real_error, fake_error = error_of(discriminator, real, kind), error_of(discriminator, made, kind)
            loss = real_error - fake_error * balance.k.detach().to(dtype=real.dtype)
            update("discriminator", loss)
            nn.power_iteration(discriminator)

        error = error_of(discriminator, show(fake), kind)
        update("generator", error)
        if ema_generator is not None:
            ema_generator.follow(generator)
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
    balance, ema_generator = (
        Balance(options["diversity"], options["balance_rate"]),
        make_ema_generator(setup, generator),
    )
    show = Show(setup, noise)
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "balance": balance}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def make_step(update: Updates) -> Step:
        settings = {"latent": options["latent"], "kind": options["error"], "n_critic": options["n_critic"]}
        return step_of(
            generator,
            discriminator,
            balance,
            update,
            noise,
            show,
            ema_generator=ema_generator,
            device=device,
            **settings,
        )

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=ledger(balance, options["error"]),
        sampler=ema_generator or generator,
        through=THROUGH,
        show=show,
        encoder=discriminator.encoder,
        decoder=discriminator.decoder,
    )


RECIPES = (
    recipe(
        "began",
        "the discriminator is an autoencoder; a weight k keeps its errors on real and made images in balance",
        "Berthelot et al. 2017, BEGAN: boundary equilibrium generative adversarial networks, arXiv:1703.10717",
        build,
        **{**SAMPLED, "norm": "none", "error": "relative", "diversity": 1.0, "balance_rate": 0.02, **FAST},
    ),
)
