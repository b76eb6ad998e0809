"""Adversarially learned inference (Dumoulin et al. 2017, arXiv:1606.00704): a discriminator of images with their codes.

The discriminator sees pairs of an image and a code: (x, E(x)) of a real image with its inferred code, or (G(z), z) of a
code from the prior with its image. Where it cannot tell them apart, the joint distributions are one, and so E inverts
G, though nothing compares pixels. E(x) is a draw from N(mean(x), exp(logvar(x))). (Section 2 and algorithm 1; with an E
without noise it is the BiGAN of Donahue et al. 2017, arXiv:1605.09782.)

    loss           is                                                   moves               passes
    discriminator  -log D(x, E(x)) - log(1 - D(G(z), z))                discriminator       the pairs are detached
    generator      -log(1 - D(x, E(x))) - log D(G(z), z)                encoder, generator  discriminator

To follow an update, two more files are enough: ``build.py`` (class `Hybrid`) and ``adversarial/gan.py`` (the logistic
losses). Imports: ops, adversarial, build. Read next: ``mdgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.step import score_terms
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import SCORE_TERMS, Hybrid, recipe
from minigen.algorithms.hybrid.options import IMAGE_DISCRIMINATOR
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor
from minigen_kernels import Array


class ALI(Hybrid):
    """Algorithm 1: the discriminator, then encoder and generator together, each kind of pair to pass as the other."""

    routes = {"discriminator": ("discriminator",), "generator": ("encoder", "generator")}

    def __init__(self, setup: Setup) -> None:
        self.encoder, self.discriminator = networks.gaussian_encoder(setup), networks.joint_discriminator(setup)
        self.objective = gan.objective({**setup.options, "generator_loss": "non-saturating"})
        generator = networks.generator(setup)
        modules = {"encoder": self.encoder, "generator": generator, "discriminator": self.discriminator}
        super().__init__(setup, modules, generator=generator, autoencoder=(self.encoder, generator))

    def training_step(self, batches: list[Tensor]) -> Terms:
        for x in batches:
            mean, logvar = self.encoder.posterior(x)
            inferred = ops.reparameterize(mean, logvar, self.normal(len(x)))
            z = self.normal(len(x))
            fake = self.generator(z)
            real_scores = self.discriminator(self.augment(x), inferred.detach())
            fake_scores = self.discriminator(self.augment(fake.detach()), z)
            loss = self.objective.discriminator_loss(real_scores, fake_scores)
            self.update("discriminator", loss)

        of_images = gan.cross_entropy(self.discriminator(self.augment(x), inferred), 0.0)
        of_codes = gan.cross_entropy(self.discriminator(self.augment(fake), z), 1.0)
        self.update("generator", of_images + of_codes)
        return {
            "loss": loss, "discriminator": loss, "generator": of_images + of_codes, "generator_of_images": of_images,
            "generator_of_codes": of_codes, **score_terms(self.objective, real_scores.detach(), fake_scores.detach()),
        }  # fmt: skip

    def ledger(self) -> dict[str, Term]:
        """What the terms are."""
        return {
            "loss": Term("nats: the discriminator's"),
            "discriminator": Term("nats, of pairs of image and code", of="loss"),
            "generator": Term("nats: of encoder and generator"),
            "generator_of_images": Term("nats: pairs of real image and inferred code", of="generator"),
            "generator_of_codes": Term("nats: pairs of code from the prior and generated image", of="generator"),
            **SCORE_TERMS,
        }

    def real_and_fake(self, images: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Images with the mean of their codes, and samples with theirs."""
        z = self.fixed_codes(len(images), "signs")
        return (images, self.encode(images)), (predict(self.generator, z, device=self.device), z)


RECIPES = (
    recipe(
        "ali",
        "encoder and generator against a discriminator of pairs: the encoder learns to invert the generator",
        "Dumoulin et al. 2017, Adversarially learned inference, arXiv:1606.00704",
        ALI,
        IMAGE_DISCRIMINATOR,
        dense_with_conv=("hidden",),
        discriminator=None,
        norm="batch",
        label_smoothing=0.0,
    ),
)
