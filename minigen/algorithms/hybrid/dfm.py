"""Denoising feature matching (Warde-Farley and Bengio 2017, Improving GANs with denoising feature matching, ICLR).

A denoising autoencoder r is trained on the features f of the discriminator on real images: r(f + noise) shall be f. For
small noise r(f) - f points to where such features are denser (Alain and Bengio 2014, arXiv:1211.4246). The generator
moves its features there, besides fooling the discriminator (equations 3 and 4).

    loss           is                                              moves           passes
    discriminator  -log D(x) - log(1 - D(G(z)))                    discriminator
    denoiser       mean (r(f(x) + noise) - f(x))^2                 denoiser        f(x) is detached
    generator      -log D(G(z)) + w mean (f(G(z)) - r(f(G(z))))^2  generator       discriminator; r(...) is detached

To follow an update, two more files are enough: ``build.py`` (class `Hybrid`) and ``adversarial/gan.py`` (the logistic
losses). Imports: losses, adversarial, build. Read next: ``began.py``.
"""

from __future__ import annotations

from minigen import losses
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.step import score_terms
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import SCORE_TERMS, Hybrid, features_and_scores, recipe
from minigen.algorithms.hybrid.options import IMAGE_DISCRIMINATOR, LOGISTIC_LOSS
from minigen.autograd import Tensor, no_grad


class DFM(Hybrid):
    """Discriminator; denoiser on its features before that update; generator on features after it."""

    routes = {"discriminator": ("discriminator",), "denoiser": ("denoiser",), "generator": ("generator",)}

    def __init__(self, setup: Setup) -> None:
        self.discriminator, self.objective = networks.discriminator(setup), gan.objective(setup.options)
        self.denoiser, generator = networks.denoiser(setup, self.discriminator), networks.generator(setup)
        modules = {"generator": generator, "discriminator": self.discriminator, "denoiser": self.denoiser}
        super().__init__(setup, modules, generator=generator)

    def training_step(self, batches: list[Tensor]) -> Terms:
        for x in batches:
            fake = self.generator(self.normal(len(x)))
            features, real_scores = features_and_scores(self.discriminator, self.augment(x))
            fake_scores = self.discriminator(self.augment(fake.detach()))
            loss = self.objective.discriminator_loss(real_scores, fake_scores)
            self.update("discriminator", loss)

        clean, std = features.detach(), self.options["feature_noise"]
        corrupted = clean + Tensor(self.noise.normal(clean.shape, std=std, dtype=clean.dtype))
        denoising = losses.mse(self.denoiser(corrupted), clean)
        self.update("denoiser", denoising)

        features, scores = features_and_scores(self.discriminator, self.augment(fake))
        with no_grad():
            target = self.denoiser(features)
        adversarial, error = self.objective.generator_loss(scores), losses.mse(features, target)
        generator = adversarial + error * self.options["feature_weight"]
        self.update("generator", generator)
        return {
            "loss": loss, "discriminator": loss, "denoiser": denoising, "generator": generator,
            "adversarial": adversarial, "features": error,
            **score_terms(self.objective, real_scores.detach(), fake_scores.detach()),
        }  # fmt: skip

    def ledger(self) -> dict[str, Term]:
        """What the terms are."""
        weight = self.options["feature_weight"]
        return {
            "loss": Term("nats: the discriminator's"),
            "discriminator": Term("nats", of="loss"),
            "denoiser": Term("squared error, mean per feature"),
            "generator": Term("nats, and weighted squared error"),
            "adversarial": Term("nats", of="generator"),
            "features": Term("squared error, mean per feature", weight=weight, of="generator"),
            **SCORE_TERMS,
        }


RECIPES = (
    recipe(
        "dfm",
        "a GAN whose generator is drawn to features that a denoising autoencoder has learnt from real images",
        "Warde-Farley and Bengio 2017, Improving generative adversarial networks with denoising feature matching, ICLR",
        DFM,
        IMAGE_DISCRIMINATOR,
        LOGISTIC_LOSS,
        dense_with_conv=("hidden",),
        discriminator=None,
        norm="batch",
        feature_weight=0.1,
        feature_noise=1.0,
    ),
)
