"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): an autoencoder as discriminator, in a game that is kept in balance.

L(v) says how badly D reconstructs images v. The discriminator learns to reconstruct real images well and generated ones
badly; the generator, to generate images that D reconstructs well (section 3.4):

    loss           is                                moves           passes
    discriminator  L(x) - k L(G(z))                  discriminator   generated images are detached
    generator      L(G(z))                           generator       discriminator

k <- k + rate (gamma L(x) - L(G(z))), kept within 0 and 1, holds L(G(z)) at gamma times L(x): a small gamma asks for
good images, a large one for different ones. L(x) + |gamma L(x) - L(G(z))| measures convergence, which the losses of
other GANs do not. k is a buffer of the module "balance", so that a run resumes with it.

Two defaults are not the paper's, because with those of the paper all digits soon become ones. Its L is |v - D(v)|, mean
over pixels (--error absolute). For digits this grows with the ink and is smallest for a thin line, which the generator
then produces whatever D does. So here the error is relative, a share of the image's own contrast. And with gamma below
1 generated images have to be easier to reconstruct than real ones, as the plainest are; so here it is 1. The rate of
the paper, 0.001, is for runs of a hundred thousand updates.

To follow an update, one more file is enough: ``build.py`` (class `Hybrid`).
Imports: losses, ops, build. Read next: ``ebgan.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, nn, ops
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import Hybrid, recipe
from minigen.algorithms.hybrid.options import AUTOENCODER_RATES, IMAGE_DISCRIMINATOR
from minigen.autograd import Tensor
from minigen.device import array_module

UNITS = {"absolute": "absolute error, mean per pixel", "relative": "absolute error, share of the image's contrast"}
CONTRAST_OFFSET = 0.1  # is added to the contrast (0 to 1): a flat image has none, and its error no bound


class EquilibriumControl(nn.Module):
    """The weight k of generated images in the discriminator's loss, and `used`, that of the last update."""

    def __init__(self, diversity: float, rate: float) -> None:
        self.diversity, self.rate = diversity, rate
        self.k, self.used = (Tensor(np.zeros((), np.float32)) for _ in range(2))

    def process_error(self, real: Tensor, fake: Tensor) -> Tensor:
        """Gamma L(x) - L(G(z)): above 0 where generated images are reconstructed better than the balance asks for."""
        return real * self.diversity - fake

    def update(self, real: Tensor, fake: Tensor) -> None:
        """The proportional control of k, by the errors L(x) and L(G(z)), which are scalars."""
        self.used.data = self.k.data
        k = self.k.data + self.rate * self.process_error(real.detach(), fake.detach()).data
        self.k.data = array_module(k).clip(k, 0, 1).astype(self.k.dtype)

    def fake_weight(self) -> float:
        """The weight of generated images in the last update, with its sign."""
        return -float(self.used)


def reconstruction_error(discriminator: nn.Module, x: Tensor, error: str) -> Tensor:
    """L of images (N, C, H, W), a scalar: |x - D(x)|, mean per pixel ("absolute").

    Or a share ("relative") of the image's contrast, the mean of |x - its mean|: 1 is what a grey image achieves; mean
    over images. Both depend on x in both places, so that the generator's gradient has what its images are measured by.
    """
    if error == "absolute":
        return losses.l1(discriminator(x), x)
    pixels = tuple(range(1, x.ndim))
    contrast = ops.mean(ops.abs(x - ops.mean(x, axis=pixels, keepdims=True)), axis=pixels)
    return ops.mean(ops.mean(ops.abs(discriminator(x) - x), axis=pixels) / (contrast + CONTRAST_OFFSET))


class BEGAN(Hybrid):
    """Section 3.4. Both players see the same generated images, the generator by the discriminator's new weights.

    An image after augmentation is also what has to be reconstructed. k is updated last.
    """

    routes = {"discriminator": ("discriminator",), "generator": ("generator",)}
    has_logits = False

    def __init__(self, setup: Setup) -> None:
        generator, self.discriminator = networks.generator(setup), networks.autoencoding_discriminator(setup)
        autoencoder = self.discriminator.encoder, self.discriminator.decoder
        self.control = EquilibriumControl(setup.options["diversity"], setup.options["balance_rate"])
        modules = {"generator": generator, "discriminator": self.discriminator, "balance": self.control}
        super().__init__(setup, modules, generator=generator, autoencoder=autoencoder)

    def training_step(self, batches: list[Tensor]) -> Terms:
        for x in batches:
            fake = self.generator(self.normal(len(x)))
            real_images, fake_images = self.augment(x), self.augment(fake.detach())
            real_error, fake_error = self.error(real_images), self.error(fake_images)
            loss = real_error - fake_error * self.control.k.detach().to(dtype=x.dtype)
            self.update("discriminator", loss)

        generator = self.error(self.augment(fake))
        self.update("generator", generator)
        self.control.update(real_error, generator)
        convergence = real_error + ops.abs(self.control.process_error(real_error, generator))
        return {
            "loss": loss, "real_error": real_error, "fake_error": fake_error, "generator": generator,
            "k": self.control.k.detach(), "convergence": convergence.detach(),
        }  # fmt: skip

    def error(self, x: Tensor) -> Tensor:
        """L of images (N, C, H, W), a scalar."""
        return reconstruction_error(self.discriminator, x, self.options["error"])

    def ledger(self) -> dict[str, Term]:
        """What the terms are, in the unit of the error."""
        unit = UNITS[self.options["error"]]
        return {
            "loss": Term(f"{unit}: the discriminator's"),
            "real_error": Term(unit, of="loss"),
            "fake_error": Term(unit, weight=self.control.fake_weight, of="loss"),
            "generator": Term(unit),
            "k": Term("weight of generated images in the next update, 0..1"),
            "convergence": Term(f"{unit}; that of real images, and how far the game is off its balance"),
        }


RECIPES = (
    recipe(
        "began",
        "the discriminator is an autoencoder; a weight k keeps its errors on real and generated images in balance",
        "Berthelot et al. 2017, BEGAN: boundary equilibrium generative adversarial networks, arXiv:1703.10717",
        BEGAN,
        IMAGE_DISCRIMINATOR,
        AUTOENCODER_RATES,
        norm="none",
        error="relative",
        diversity=1.0,
        balance_rate=0.02,
    ),
)
