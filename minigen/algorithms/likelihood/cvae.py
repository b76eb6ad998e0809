"""The conditional VAE: encoder and decoder are told the class, so that samples of a wanted class can be drawn.

Imports: build, vae. Read next: ``iwae.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup
from minigen.algorithms.likelihood import pixels
from minigen.algorithms.likelihood.bounds import log_likelihood, log_sum_exp
from minigen.algorithms.likelihood.build import COMMON, DENSE, build, dense_network, in_parts, looking
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models.vae import VAE, one_hot
from minigen.random import Generator
from minigen_kernels import Array

SHOWN = 10  # classes in a picture


def _build(setup: Setup) -> Experiment:
    """`negative_elbo` given the label: -E_q[log p(x | z, y)] + KL(q(z | x, y) || p(z)) (Sohn et al. 2015, equation 4).

    The prior of the code does not depend on the label. `log_likelihood` is that of the image without its label,
    log of the mean of p(x | y) over all classes, so that it can be compared with the other models.
    """
    if setup.classes is None:
        raise ValueError("cvae needs labels, and this data set has none; use 'vae', or a data set with labels")
    classes = setup.classes
    model = dense_network(setup, classes=classes)
    experiment = build(setup, model, negative_elbo(model))
    see = pixels.seeing(setup)

    def pictures(images: Array) -> list[Array]:
        """In each row one code as every class (the first ten)."""
        codes = Generator(setup.seed).spawn("pictures").normal((len(images), model.latent))
        return [decode(model, codes, np.full(len(codes), k)) for k in setup.trained_classes[:SHOWN]]

    def likelihood(images: Array, k: int) -> Array:
        each = []
        for label in range(classes):
            labels = np.full(len(images), label)
            rows = one_hot(labels, classes)
            each.append(log_likelihood(model, images, k, see=see, rng=looking(setup), labels=rows))
        return log_sum_exp(np.stack(each)) - np.log(classes)

    latent = experiment.latent
    assert latent is not None
    alone = dataclasses.replace(
        experiment,
        pictures=pictures,
        latent=Latent(model.latent, lambda codes, labels: decode(model, codes, labels), latent.draw, classes),
        log_likelihood=likelihood,
        reconstruct=None,  # these need the labels of the images
        encode=None,
        diagnostics=None,
    )
    return dataclasses.replace(alone, conditioned_on=lambda labels: _conditioned(labels, alone, model, setup))


def _conditioned(labels: Array, experiment: Experiment, model: VAE, setup: Setup) -> Experiment:
    """The experiment with what its encoder can do for images of the classes `labels` (N,)."""
    rows, see = one_hot(labels, model.classes), pixels.seeing(setup)

    def of(function: Callable[[Tensor, Tensor], Tensor], images: Array) -> Array:
        if len(images) != len(rows):
            raise ValueError(f"cvae: expected a label for each of the {len(images)} images, got {len(rows)} of them")
        x = np.asarray(to_device(see(images, looking(setup)).data, "cpu"))
        return in_parts(model, function, x, rows)

    return dataclasses.replace(
        experiment,
        reconstruct=lambda images: of(model, images),
        encode=lambda images: of(model.encode, images),
        diagnostics=lambda images: {"kl": of(model.divergences, images), "mean": of(model.encode, images)},
        conditioned_on=None,
    )


def decode(model: VAE, codes: Array, labels: Array | None) -> Array:
    """The images (N, C, H, W) of codes (N, D) as members of the classes `labels` (N,), as a NumPy array."""
    if labels is None or len(labels) != len(codes):
        got = "none" if labels is None else f"{len(labels)} of them"
        raise ValueError(f"cvae: expected a label for each of the {len(codes)} codes, got {got}")
    return in_parts(model, model.decode, codes, one_hot(labels, model.classes))


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
