"""The conditional VAE (Sohn et al. 2015): encoder and decoder are told the class, so that a wanted class can be drawn.

    minimise -E_q[log p(x | z, y)] + KL(q(z | x, y) || p(z))      (equation 4): `negative_elbo`, given the label y

The prior of the code does not depend on the label. Objective and update are those of ``vae.py``; here is what labels
change in samples, codes and the likelihood.

Imports: build, vae. Read next: ``vae.py``, ``iwae.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minigen.algorithms.autoencoders.build import build_vae, evaluation_noise, inputs, preprocessing
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup
from minigen.algorithms.importance_sampling import log_likelihood, logsumexp
from minigen.algorithms.likelihood.build import COMMON, DENSE, ELBO, dense_network
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor
from minigen.models.vae import VAE, one_hot
from minigen.random import Generator
from minigen_kernels import Array

PICTURE_CLASSES = 10  # at most so many columns


def _build(setup: Setup) -> Experiment:
    """`log_likelihood` is that of the image without its label, as of other models: log of the mean of p(x | y)."""
    if setup.classes is None:
        raise ValueError("cvae needs labels, and this data set has none; use 'vae', or a data set with labels")
    classes, device = setup.classes, setup.device
    model = dense_network(setup, classes=classes)
    experiment = build_vae(setup, model, negative_elbo(model), ledger=ELBO)

    def decode(codes: Array, labels: Array | None) -> Array:
        """The images (N, C, H, W) of codes (N, D) as members of the classes `labels` (N,)."""
        if labels is None or len(labels) != len(codes):
            got = "none" if labels is None else f"{len(labels)} of them"
            raise ValueError(f"cvae: expected a label for each of the {len(codes)} codes, got {got}")
        return predict(model, codes, one_hot(labels, classes), function=model.decode, device=device)

    def pictures(images: Array) -> list[Array]:
        """In each row one code as every class (the first ten)."""
        codes = Generator(setup.seed).spawn("pictures").normal((len(images), model.latent))
        return [decode(codes, np.full(len(codes), k)) for k in setup.trained_classes[:PICTURE_CLASSES]]

    def likelihood(images: Array, k: int) -> Array:
        each = []
        for label in range(classes):
            rows, noise = one_hot(np.full(len(images), label), classes), evaluation_noise(setup)
            each.append(log_likelihood(model, images, k, preprocess=preprocessing(setup), rng=noise, labels=rows))
        return logsumexp(np.stack(each)) - np.log(classes)

    latent = experiment.latent
    assert latent is not None
    unlabelled = replace(
        experiment,
        pictures=pictures,
        latent=Latent(model.latent, decode, latent.draw, classes),
        log_likelihood=likelihood,
        reconstruct=None,  # these need the labels of the images
        encode=None,
        diagnostics=None,
    )
    return replace(unlabelled, conditioned_on=lambda labels: _conditioned(labels, unlabelled, model, setup))


def _conditioned(labels: Array, experiment: Experiment, model: VAE, setup: Setup) -> Experiment:
    """The experiment with what its encoder can do for images of the classes `labels` (N,)."""
    rows = one_hot(labels, model.classes)

    def apply(function: Callable[[Tensor, Tensor], Tensor], images: Array) -> Array:
        if len(images) != len(rows):
            raise ValueError(f"cvae: expected a label for each of the {len(images)} images, got {len(rows)} of them")
        return predict(model, inputs(setup, images), rows, function=function, device=setup.device)

    return replace(
        experiment,
        reconstruct=lambda images: apply(model, images),
        encode=lambda images: apply(model.encode, images),
        diagnostics=lambda images: {"kl": apply(model.divergences, images), "mean": apply(model.encode, images)},
        conditioned_on=None,
    )


RECIPES = (
    Recipe(
        "cvae",
        "likelihood",
        "a VAE that is told the class: samples of a class that you name",
        "Sohn, Lee and Yan 2015, Learning structured output representation using deep conditional generative models",
        {**DENSE, **COMMON, "epochs": 20},  # the code soon knows the class; to trust the label instead takes time
        _build,
    ),
)
