"""The adversarial autoencoder (Makhzani et al. 2015, arXiv:1511.05644): a discriminator shapes codes, not images.

A VAE pulls each posterior to the prior by a divergence in closed form. Here a discriminator D compares codes of images
with samples z of the prior N(0, 1), and the encoder E learns to fool it: the codes of all images together get the
distribution of the prior, which can then be sampled. (Section 2, with a deterministic encoder; G is the decoder.)

    loss            is                                   moves             passes
    reconstruction  mean (x - G(E(x)))^2                 encoder, decoder
    discriminator   -log D(z) - log(1 - D(E(x)))         discriminator                    codes are detached
    generator       -log D(E(x))                         encoder           discriminator  the decoder plays no part

To follow an update, two more files are enough: ``build.py`` (class `Hybrid`) and ``adversarial/gan.py`` (the logistic
losses). Imports: losses, adversarial, build. Read next: ``vae_gan.py``.
"""

from __future__ import annotations

from dataclasses import replace

from minigen import losses
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.step import score_terms
from minigen.algorithms.experiment import Experiment, Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import SCORE_TERMS, Hybrid, recipe
from minigen.algorithms.hybrid.options import AUTOENCODER_RATES, LOGISTIC_LOSS
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen_kernels import Array


class AAE(Hybrid):
    """The two phases of section 2: reconstruction; then regularization, a game for the codes."""

    routes = {"reconstruction": ("encoder", "decoder"), "discriminator": ("discriminator",), "generator": ("encoder",)}

    def __init__(self, setup: Setup) -> None:
        self.encoder, self.decoder = networks.encoder(setup), networks.generator(setup)
        self.discriminator, self.objective = networks.code_discriminator(setup), gan.objective(setup.options)
        modules = {"encoder": self.encoder, "decoder": self.decoder, "discriminator": self.discriminator}
        super().__init__(setup, modules, generator=self.decoder, autoencoder=(self.encoder, self.decoder))

    def training_step(self, batches: list[Tensor]) -> Terms:
        reconstruction = self.reconstruction_error(batches[-1])
        self.update("reconstruction", reconstruction)

        for x in batches:
            codes = self.encoder(x)
            real, fake = self.discriminator(self.normal(len(x))), self.discriminator(codes.detach())
            loss = self.objective.discriminator_loss(real, fake)
            self.update("discriminator", loss)
        generator = self.objective.generator_loss(self.discriminator(codes))
        self.update("generator", generator)
        return {
            "loss": reconstruction, "reconstruction": reconstruction, "discriminator": loss, "generator": generator,
            **score_terms(self.objective, real.detach(), fake.detach()),
        }  # fmt: skip

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Of images (N, C, H, W): a scalar, mean per pixel."""
        return losses.mse(self.decoder(self.encoder(x)), x)

    def ledger(self) -> dict[str, Term]:
        """What the terms are."""
        return {
            "loss": Term("squared error, mean per pixel: that of the reconstruction"),
            "reconstruction": Term("squared error, mean per pixel", of="loss"),
            "discriminator": Term("nats, of codes"),
            "generator": Term("nats: how the encoder fools it"),
            **SCORE_TERMS,
        }

    def experiment(self) -> Experiment:
        """As that of all hybrids, and with a loss that can be evaluated."""
        return replace(super().experiment(), evaluate=self.evaluate)

    def evaluate(self, batch: Batch) -> Terms:
        """The reconstruction error of a batch, which decides about the best checkpoint."""
        with self.encoder.evaluation(), self.decoder.evaluation():
            return {"loss": self.reconstruction_error(Tensor(to_device(batch.x, self.device)))}

    def real_and_fake(self, images: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Codes from the prior, and codes of the images."""
        return (self.fixed_codes(len(images), "signs"),), (predict(self.encoder, images, device=self.device),)


RECIPES = (
    recipe(
        "aae",
        "an autoencoder whose codes a discriminator cannot tell from a normal prior",
        "Makhzani et al. 2015, Adversarial autoencoders, arXiv:1511.05644",
        AAE,
        LOGISTIC_LOSS,
        AUTOENCODER_RATES,
        dense_with_conv=("hidden", "layers"),
        latent=8,
        ema=0.0,
    ),
)
