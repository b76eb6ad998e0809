"""A GAN with a mode regularizer (Che et al. 2017, Mode regularized generative adversarial networks, arXiv:1612.02136).

A generator that misses a mode gets no gradient towards it: no generated image is near. An encoder E finds a code for
every training image, and G(E(x)) shall look like x and pass for real: so each mode pulls at some code (section 3.1).

    loss           is                                                              moves               passes
    discriminator  -log D(x) - log(1 - D(G(z)))                                    discriminator
    generator      -log D(G(z)) + w_r mean (x - G(E(x)))^2 - w_m log D(G(E(x)))    generator, encoder  discriminator

The first term does not depend on the encoder, which so moves along the last two: with one optimizer for both networks
these are T_G and T_E of the paper (where the sign of the last term is that of a reward). Their two-step variant, with a
second discriminator for G(E(x)), is not this.

To follow an update, two more files are enough: ``build.py`` (class `Hybrid`) and ``adversarial/gan.py`` (the logistic
losses). Imports: losses, adversarial, build. Read next: ``dfm.py``.
"""

from __future__ import annotations

from minigen import losses
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.step import score_terms
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import SCORE_TERMS, Hybrid, recipe
from minigen.algorithms.hybrid.options import IMAGE_DISCRIMINATOR, LOGISTIC_LOSS
from minigen.autograd import Tensor


class MDGAN(Hybrid):
    """A GAN's updates, with two terms of reconstructions in the generator's loss.

    Reconstructions are of the generator before its update, as the samples are.
    """

    routes = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}

    def __init__(self, setup: Setup) -> None:
        self.encoder, self.discriminator = networks.encoder(setup), networks.discriminator(setup)
        self.objective, generator = gan.objective(setup.options), networks.generator(setup)
        modules = {"generator": generator, "discriminator": self.discriminator, "encoder": self.encoder}
        super().__init__(setup, modules, generator=generator, autoencoder=(self.encoder, generator))

    def training_step(self, batches: list[Tensor]) -> Terms:
        for x in batches:
            fake, reconstructed = self.generate_jointly(self.normal(len(x)), self.encoder(x))
            real_scores = self.discriminator(self.augment(x))
            fake_scores = self.discriminator(self.augment(fake.detach()))
            loss = self.objective.discriminator_loss(real_scores, fake_scores)
            self.update("discriminator", loss)

        adversarial = self.objective.generator_loss(self.discriminator(self.augment(fake)))
        mode = self.objective.generator_loss(self.discriminator(self.augment(reconstructed)))
        reconstruction = losses.mse(reconstructed, x)
        weight, mode_weight = self.options["reconstruction_weight"], self.options["mode_weight"]
        generator = adversarial + reconstruction * weight + mode * mode_weight
        self.update("generator", generator)
        return {
            "loss": loss, "discriminator": loss, "generator": generator, "adversarial": adversarial,
            "reconstruction": reconstruction, "mode": mode,
            **score_terms(self.objective, real_scores.detach(), fake_scores.detach()),
        }  # fmt: skip

    def ledger(self) -> dict[str, Term]:
        """What the terms are."""
        weight, mode_weight = self.options["reconstruction_weight"], self.options["mode_weight"]
        return {
            "loss": Term("nats: the discriminator's"),
            "discriminator": Term("nats", of="loss"),
            "generator": Term("nats, and weighted squared error"),
            "adversarial": Term("nats: of samples", of="generator"),
            "reconstruction": Term("squared error, mean per pixel", weight=weight, of="generator"),
            "mode": Term("nats: of reconstructions", weight=mode_weight, of="generator"),
            **SCORE_TERMS,
        }


RECIPES = (
    recipe(
        "mdgan",
        "a GAN whose generator also has to reconstruct each training image, against the loss of modes",
        "Che et al. 2017, Mode regularized generative adversarial networks, arXiv:1612.02136",
        MDGAN,
        IMAGE_DISCRIMINATOR,
        LOGISTIC_LOSS,
        discriminator=None,
        norm=None,
        reconstruction_weight=1.0,
        mode_weight=0.2,
    ),
)
