"""The linear VAE, which is probabilistic PCA: the one VAE whose likelihood can be written down.

Imports: build, vae. Read next: ``minigen/models/linear_vae.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.algorithms.autoencoders.build import build_vae
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.likelihood.build import ELBO, initial_variance
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.algorithms.options import UPDATE
from minigen.autograd import Tensor
from minigen.models import linear_vae
from minigen.random import Generator


def _build(setup: Setup) -> Experiment:
    """`negative_elbo` of the linear model. Evaluation also gives the exact -log p(x), which it bounds."""
    rng = Generator(setup.seed).spawn("weights")
    model = linear_vae.linear(
        setup.image_shape, latent=setup.options["latent"], variance=initial_variance(setup), rng=rng
    )
    objective = negative_elbo(model)

    def evaluation(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        terms = objective(x, y, noise)
        exact = Tensor(np.float32(-linear_vae.exact_log_likelihood(model, x.numpy()).mean()))
        return {**terms, "exact": exact.to(x.device)}

    ledger = {**ELBO, "exact": Term("nats per sample; -log p(x) itself, which the loss lies above")}
    return build_vae(setup, model, objective, evaluation=evaluation, ledger=ledger)


RECIPES = (
    Recipe(
        "linear-vae",
        "likelihood",
        "pixels-32-pixels without activations and with a learned variance: probabilistic PCA",
        "Lucas et al. 2019, Don't blame the ELBO! A linear VAE perspective on posterior collapse, arXiv:1911.02469",
        {"latent": 32, **UPDATE},
        _build,
    ),
)
