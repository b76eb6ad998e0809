"""The variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114). Dense, and with convolutions.

    mean, logvar = encoder(x)                           q(z | x) = N(mean, exp(logvar))
    z = mean + exp(logvar / 2) noise, noise ~ N(0, 1)   a draw from it, differentiable (section 2.4)
    minimise -log p(x | z) + KL(q(z | x) || N(0, 1))    reconstruct, and keep codes near the prior (equation 10)

The update (algorithm 1) moves encoder and decoder along the gradient of that: `gradient_step` in
``../autoencoders/build.py``. The networks are in ``minigen/models/vae.py``. No other file is needed to understand this.

Imports: build, models. Read next: ``beta_vae.py``, ``iwae.py``.
"""

from __future__ import annotations

from minigen.algorithms.autoencoders.build import Objective, build_vae
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.likelihood.build import COMMON, CONV, DENSE, ELBO, conv_network, dense_network, pixel_likelihood
from minigen.autograd import Tensor
from minigen.models.vae import VAE
from minigen.random import Generator

KINGMA = "Kingma and Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114"


def negative_elbo(model: VAE) -> Objective:
    """The evidence lower bound with its sign turned, -E_q[log p(x | z)] + KL(q(z | x) || p(z)), in nats per sample.

    One sample z = mean + exp(logvar / 2) noise stands for the expectation; the divergence of Gaussians is exact
    (Kingma and Welling 2014, equation 10). The sum over pixels is not divided by their number: then the divergence
    would weigh 784 times too much, and the codes of digits would say nothing. Derived in docs/guide/13_vae.md.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        z, kl = model.draw(x, noise, y)
        reconstruction = model.likelihood.nll(model.logits(z, y), x)
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    return objective


def _dense(setup: Setup) -> Experiment:
    model = dense_network(setup)
    return build_vae(setup, model, negative_elbo(model), ledger=ELBO)


def _convolutional(setup: Setup) -> Experiment:
    model = conv_network(setup, pixel_likelihood(setup))
    return build_vae(setup, model, negative_elbo(model), ledger=ELBO)


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
        {**CONV, "latent": 20, **COMMON, "epochs": 5},
        _convolutional,
    ),
)
