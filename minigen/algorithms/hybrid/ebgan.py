"""Energy-based GAN (Zhao et al. 2017, arXiv:1609.03126): an autoencoder's error is the energy of an image.

e(v) = mean (v - D(v))^2 over the pixels of one image. The discriminator gives real images a low energy, and generated
ones a high one, up to a margin m beyond which they no longer count; the generator lowers the energy of its images
(equations 1 and 2):

    loss           is                                moves           passes
    discriminator  E e(x) + E max(0, m - e(G(z)))    discriminator   generated images are detached
    generator      E e(G(z)) + w P(S)                generator       discriminator

P(S) is the pull-away term (equation 4): of the codes S that the discriminator gives to generated images, the mean
squared cosine of two different ones. Codes at right angles belong to images that are not alike.

To follow an update, one more file is enough: ``build.py`` (class `Hybrid`).
Imports: losses, ops, build. Read next: ``minigen/algorithms/transfer.py``.
"""

from __future__ import annotations

from minigen import losses, ops
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import Hybrid, recipe
from minigen.algorithms.hybrid.options import AUTOENCODER_RATES, IMAGE_DISCRIMINATOR
from minigen.autograd import Tensor
from minigen.device import array_module


def energy(reconstruction: Tensor, x: Tensor) -> Tensor:
    """The squared error of each image (N, C, H, W), mean per pixel: (N,)."""
    return ops.mean(losses.mse(reconstruction, x, reduction="none"), axis=(1, 2, 3))


def pull_away(codes: Tensor) -> Tensor:
    """The mean over pairs i != j of the squared cosine of codes (N, D), between 0 and 1; 0 for a single code."""
    n = len(codes)
    lengths = ops.sqrt(ops.sum(codes * codes, axis=1, keepdims=True) + 1e-12)  # inside: a code of 0 has no direction
    directions = codes / lengths
    squares = ops.matmul(directions, directions.T) ** 2
    others = Tensor(1 - array_module(codes.data).eye(n, dtype=codes.dtype))
    return ops.sum(squares * others) * (1 / max(1, n * (n - 1)))


class EBGAN(Hybrid):
    """Equations 1 and 2. Both players see the same generated images, the generator by the discriminator's new weights.

    An image after augmentation is also what has to be reconstructed.
    """

    routes = {"discriminator": ("discriminator",), "generator": ("generator",)}
    has_logits = False

    def __init__(self, setup: Setup) -> None:
        generator, self.discriminator = networks.generator(setup), networks.autoencoding_discriminator(setup)
        autoencoder = self.discriminator.encoder, self.discriminator.decoder
        modules = {"generator": generator, "discriminator": self.discriminator}
        super().__init__(setup, modules, generator=generator, autoencoder=autoencoder)

    def training_step(self, batches: list[Tensor]) -> Terms:
        for x in batches:
            fake = self.generator(self.normal(len(x)))
            real_images, fake_images = self.augment(x), self.augment(fake.detach())
            real_energy = ops.mean(energy(self.discriminator(real_images), real_images))
            shortfall = self.options["margin"] - energy(self.discriminator(fake_images), fake_images)
            margin = ops.mean(ops.relu(shortfall))
            loss = real_energy + margin  # equation 1
            self.update("discriminator", loss)

        fake_images = self.augment(fake)
        codes = self.discriminator.encode(fake_images)
        fake_energy = ops.mean(energy(self.discriminator.decode(codes), fake_images))
        pull = pull_away(codes)
        generator = fake_energy + pull * self.options["pull_away_weight"]  # equations 2 and 4
        self.update("generator", generator)
        return {
            "loss": loss, "real_energy": real_energy, "margin": margin, "generator": generator,
            "fake_energy": fake_energy, "pull_away": pull,
        }  # fmt: skip

    def ledger(self) -> dict[str, Term]:
        """What the terms are."""
        unit, weight = "squared error, mean per pixel", self.options["pull_away_weight"]
        return {
            "loss": Term(f"{unit}: the discriminator's"),
            "real_energy": Term(unit, of="loss"),
            "margin": Term(f"{unit}; how far the energy of generated images is below the margin", of="loss"),
            "generator": Term(f"{unit}, and weighted cosines"),
            "fake_energy": Term(unit, of="generator"),
            "pull_away": Term("squared cosine, mean over pairs", weight=weight, of="generator"),
        }


RECIPES = (
    recipe(
        "ebgan",
        "the discriminator is an autoencoder whose error is an energy, with a margin and a pull-away term",
        "Zhao, Mathieu and LeCun 2017, Energy-based generative adversarial network, arXiv:1609.03126",
        EBGAN,
        IMAGE_DISCRIMINATOR,
        AUTOENCODER_RATES,
        norm="none",
        margin=0.2,
        pull_away_weight=0.1,
    ),
)
