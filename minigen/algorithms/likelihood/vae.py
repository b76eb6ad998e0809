"""The variational autoencoder: reconstruct, and keep the codes near the prior. Dense, and with convolutions.

Imports: build, models. Read next: ``beta_vae.py``, ``iwae.py``.
"""

from __future__ import annotations

from minigen import losses, ops
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.likelihood.build import COMMON, DENSE, Objective, build, dense_network
from minigen.algorithms.likelihood.pixels import likelihood_of
from minigen.autograd import Tensor
from minigen.models import vae as architecture
from minigen.models.vae import VAE
from minigen.random import Generator

KINGMA = "Kingma and Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114"


def negative_elbo(model: VAE) -> Objective:
    """The evidence lower bound with its sign turned, -E_q[log p(x | z)] + KL(q(z | x) || p(z)), in nats per sample.

    One sample z = mean + exp(logvar / 2) noise stands for the expectation; the divergence of Gaussians is exact
    (Kingma and Welling 2014, equation 10). The sum over pixels is not divided by their number: then the divergence
    would weigh 784 times too much, and the codes of digits would say nothing.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        mean, logvar = model.posterior(x, y)
        z = ops.reparameterize(mean, logvar, Tensor(noise.normal(mean.shape, dtype=mean.dtype)))
        reconstruction = model.likelihood.nll(model.logits(z, y), x)
        kl = losses.gaussian_kl(mean, logvar)
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    return objective


def _dense(setup: Setup) -> Experiment:
    model = dense_network(setup)
    return build(setup, model, negative_elbo(model))


def _convolutional(setup: Setup) -> Experiment:
    options = setup.options
    model = architecture.convolutional(
        setup.image_shape,
        likelihood_of(setup),
        channels=options["channels"],
        latent=options["latent"],
        rng=Generator(setup.seed).spawn("weights"),
    )
    return build(setup, model, negative_elbo(model))


RECIPES = (
    Recipe(
        "vae",
        "likelihood",
        "pixels-400-20-400-pixels: codes are distributions, near a normal prior that can be sampled",
        KINGMA,
        {**DENSE, **COMMON},
        _dense,
    ),
    Recipe(
        "conv-vae",
        "likelihood",
        "a VAE with strided convolutions 32, 64 and a dense layer of 256, and back",
        KINGMA,
        {"channels": 32, "latent": 20, **COMMON, "epochs": 5},
        _convolutional,
    ),
)
