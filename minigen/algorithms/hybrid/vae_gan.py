"""VAE-GAN (Larsen et al. 2016, arXiv:1512.09300): reconstructions are compared in the features of a discriminator.

A VAE that compares pixels pays much for a line that is one pixel off, and its images are blurred. Here the likelihood
is a Gaussian of variance v (1 in the paper) around the discriminator's features f of the reconstruction (equations 6
and 7), and the discriminator learns which features matter. x~ is the reconstruction of x, x_p a sample from the prior.
L_gan = -log D(x) - log(1 - D(x~)) - log(1 - D(x_p)); "minimax" is algorithm 1, and "non-saturating" has
-log D(x~) - log D(x_p) in the place of -L_gan:

    loss           is                                       moves           passes
    encoder        KL + |f(x) - f(x~)|^2 / 2v               encoder         decoder, discriminator
    decoder        gamma |f(x) - f(x~)|^2 / 2v - L_gan      decoder         discriminator; the encoder stays as it is
    discriminator  L_gan                                    discriminator   images are detached

The discriminator gets no gradient of the comparison: its features could shrink to make it small. As in the algorithm
all three gradients are taken at the same weights: the encoder moves first, and no later gradient needs it.

An image and its reconstruction are augmented with the same random numbers, else f would differ between two images that
are the same.

To follow an update, two more files are enough: ``build.py`` (class `Hybrid`) and ``adversarial/gan.py`` (the logistic
losses). Imports: losses, ops, adversarial, build. Read next: ``ali.py``.
"""

from __future__ import annotations

from minigen import losses, ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.step import score_terms
from minigen.algorithms.experiment import Setup, Term, Terms
from minigen.algorithms.hybrid import networks
from minigen.algorithms.hybrid.build import SCORE_TERMS, Hybrid, features_and_scores, recipe
from minigen.algorithms.hybrid.options import IMAGE_DISCRIMINATOR, LOGISTIC_LOSS
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen_kernels import Array


class VAEGAN(Hybrid):
    """Algorithm 1; the earlier ones of several batches train the discriminator alone."""

    routes = {"encoder": ("encoder",), "decoder": ("decoder",), "discriminator": ("discriminator",)}
    through = {"encoder": ("decoder", "discriminator"), "decoder": ("encoder", "discriminator")}

    def __init__(self, setup: Setup) -> None:
        self.encoder, self.decoder = networks.gaussian_encoder(setup), networks.generator(setup)
        self.discriminator, self.objective = networks.discriminator(setup), gan.objective(setup.options)
        modules = {"encoder": self.encoder, "decoder": self.decoder, "discriminator": self.discriminator}
        super().__init__(setup, modules, generator=self.decoder, autoencoder=(self.encoder, self.decoder))

    def training_step(self, batches: list[Tensor]) -> Terms:
        *earlier, x = batches
        for images in earlier:
            _, _, real, reconstructed, sampled = self.forward(images)
            self.update_discriminator(self.discriminator(real), reconstructed, sampled)

        mean, logvar, real, reconstructed, sampled = self.forward(x)
        real_features, real_scores = features_and_scores(self.discriminator, real)
        features, reconstructed_scores = features_and_scores(self.discriminator, reconstructed)
        generator_loss = self.objective.generator_loss
        adversarial = generator_loss(reconstructed_scores) + generator_loss(self.discriminator(sampled))

        kl = losses.gaussian_kl(mean, logvar)
        error = losses.mse(features, real_features.detach(), reduction="batchmean")
        error = error * (0.5 / self.options["feature_variance"])  # equation 7, but for a constant
        encoder_loss = kl + error
        decoder_loss = error * self.options["feature_weight"] + adversarial  # equation 9
        self.update("encoder", encoder_loss)
        self.update("decoder", decoder_loss)
        terms = self.update_discriminator(real_scores, reconstructed, sampled)
        return {
            **terms, "encoder": encoder_loss, "kl": kl, "features": error, "decoder": decoder_loss,
            "features_of_decoder": error, "adversarial": adversarial,
        }  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance (N, D) of the codes of images; then images, reconstructions and samples, augmented."""
        mean, logvar = self.encoder.posterior(x)
        z = ops.reparameterize(mean, logvar, self.normal(len(x)))
        reconstruction, sample = self.generate_jointly(z, self.normal(len(x)))
        return mean, logvar, *self.augment.paired(x, reconstruction), self.augment(sample)

    def update_discriminator(self, real_scores: Tensor, reconstructed: Tensor, sampled: Tensor) -> Terms:
        """The update on L_gan, and its terms. `real_scores` (N,) are of augmented images, as the others are."""
        reconstructed_scores, sampled_scores = (self.discriminator(x.detach()) for x in (reconstructed, sampled))
        loss = self.objective.discriminator_loss(real_scores, reconstructed_scores)
        loss = loss + gan.cross_entropy(sampled_scores, 0.0)
        self.update("discriminator", loss)
        fake_scores = ops.concat([reconstructed_scores, sampled_scores])
        scores = score_terms(self.objective, real_scores.detach(), fake_scores.detach())
        return {"loss": loss, "discriminator": loss, **scores}

    def ledger(self) -> dict[str, Term]:
        """What the terms are. The error of features is there twice, once for each loss that it is part of."""
        unit, weight = "nats per sample", self.options["feature_weight"]
        return {
            "loss": Term("nats: the discriminator's"),
            "discriminator": Term("nats: of images, reconstructions and samples", of="loss"),
            "encoder": Term(unit),
            "kl": Term(f"{unit}, sum over the code", of="encoder"),
            "features": Term(f"{unit}: half the squared error over the variance, sum over features", of="encoder"),
            "decoder": Term("nats, and weighted features"),
            "features_of_decoder": Term(f"{unit}, as features", weight=weight, of="decoder"),
            "adversarial": Term("nats: of reconstructions and samples", of="decoder"),
            **SCORE_TERMS,
        }

    def diagnostics(self, images: Array) -> dict[str, Array]:
        """Logits, as of all hybrids; the divergence (nats) and the mean of each code's number, both (N, D)."""
        with self.encoder.evaluation():
            mean, logvar = self.encoder.posterior(Tensor(to_device(images, self.device)))
            kl = losses.gaussian_kl(mean, logvar, reduction="none")
        return {"kl": kl.numpy(), "mean": mean.numpy(), **super().diagnostics(images)}


RECIPES = (
    recipe(
        "vae-gan",
        "a VAE whose reconstructions are compared in the features of a discriminator",
        "Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, arXiv:1512.09300",
        VAEGAN,
        IMAGE_DISCRIMINATOR,
        LOGISTIC_LOSS,
        discriminator=None,
        norm=None,
        latent=20,
        feature_weight=0.1,
        feature_variance=10.0,
    ),
)
