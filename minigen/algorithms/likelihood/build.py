"""What the models of the likelihood share: options, the distribution of a pixel, networks, and the terms of a bound.

The update, the evaluation, samples and codes are those of all autoencoders: ``../autoencoders/build.py``.

Imports: models, options. Read next: ``vae.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen import losses, nn, ops
from minigen.algorithms.autoencoders.build import output_activation
from minigen.algorithms.experiment import Setup, Term
from minigen.algorithms.options import UPDATE, Option, hidden_widths
from minigen.autograd import Tensor
from minigen.models import vae as architecture
from minigen.models.autoencoder import Autoencoder
from minigen.models.likelihood import Bernoulli, Gaussian, Likelihood
from minigen.models.vae import VAE
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "activation": Option(str, "after each hidden layer", choices=("relu", "tanh")),
    "likelihood": Option(
        str,
        "distribution of a pixel: bernoulli; gaussian with --variance; or with a variance that is learned",
        choices=("bernoulli", "gaussian", "gaussian-learned"),
    ),
    "variance": Option(float, "variance of a pixel (--likelihood gaussian)", minimum=0, exclusive=True),
    "binarize": Option(
        str,
        "make grey images black and white: at 0.5; or by chance, anew in each batch (dynamic)",
        choices=("none", "threshold", "dynamic"),
    ),
}
DENSE: Mapping[str, Any] = {"hidden": 400, "layers": 1, "activation": "relu", "latent": 20}
CONV: Mapping[str, Any] = {"channels": 32, "halvings": 2, "hidden": 256, "layers": 1}
PIXELS: Mapping[str, Any] = {"likelihood": "bernoulli", "variance": 1.0, "binarize": "none"}
COMMON: Mapping[str, Any] = {**UPDATE, **PIXELS}

DETERMINISTIC: Mapping[str, Any] = {**CONV, "latent": 8, **UPDATE}
SQUARED_ERROR = Term("squared error per sample, sum over pixels", of="loss")

#: The terms of an evidence lower bound (ELBO), and how they make up the loss.
ELBO: Mapping[str, Term] = {
    "loss": Term("nats per sample"),
    "reconstruction": Term("nats per sample, sum over pixels", of="loss"),
    "kl": Term("nats per sample, sum over the code", of="loss"),
}


def dense_network(setup: Setup, *, classes: int = 0) -> VAE:
    """The network of dense layers that the options describe."""
    return architecture.dense(
        setup.image_shape,
        pixel_likelihood(setup),
        hidden=hidden_widths(setup.options, DENSE["hidden"]),
        latent=setup.options["latent"],
        classes=classes,
        activation={"relu": ops.relu, "tanh": ops.tanh}[setup.options["activation"]],
        rng=Generator(setup.seed).spawn("weights"),
    )


def conv_network(setup: Setup, likelihood: Likelihood) -> VAE:
    """The network with convolutions that the options describe."""
    return architecture.convolutional(
        setup.image_shape,
        likelihood,
        channels=setup.options["channels"],
        halvings=setup.options["halvings"],
        hidden=hidden_widths(setup.options, CONV["hidden"]),
        latent=setup.options["latent"],
        rng=Generator(setup.seed).spawn("weights"),
    )


def pixel_likelihood(setup: Setup) -> Likelihood:
    """The distribution of a pixel that the options name, with an output in the range of the data.

    ValueError: the data's range does not fit it, or an option would have no effect.
    """
    options, data = setup.options, setup.value_range
    if options["likelihood"] != "gaussian" and options["variance"] != PIXELS["variance"]:
        raise ValueError(f"--variance has no effect with --likelihood {options['likelihood']}; leave it out")
    if options["likelihood"] == "bernoulli":
        if data != (0.0, 1.0):
            raise ValueError(f"bernoulli pixels need data from 0 to 1, got {data}; use --likelihood gaussian-learned")
        return Bernoulli()
    if options["binarize"] != "none":
        raise ValueError(f"--binarize {options['binarize']} makes pixels 0 or 1: use it with --likelihood bernoulli")
    learned = options["likelihood"] == "gaussian-learned"
    variance = initial_variance(setup) if learned else options["variance"]
    return Gaussian(output_activation(setup), variance=variance, learned=learned)


def initial_variance(setup: Setup) -> float:
    """Where a learned variance of pixels begins: (mean - low) (high - mean), the largest that the data's mean allows.

    Pixels have it if each is low or high. From 1 it would need thousands of updates to come down to what images have.
    """
    low, high = setup.value_range
    inside = 0.01 * (high - low)
    mean = min(max(setup.mean, low + inside), high - inside)
    return (mean - low) * (high - mean)


def deterministic_network(setup: Setup) -> Autoencoder:
    """Encoder and decoder of the convolutional VAE without the variance: a code is one point."""
    vae = conv_network(setup, Gaussian(output_activation(setup)))
    assert isinstance(vae.encoder, nn.Sequential)
    return Autoencoder(nn.Sequential(*vae.encoder, vae.mean), vae.decoder, vae.head)


def squared_error(model: Autoencoder, code: Tensor, x: Tensor) -> Tensor:
    """|x - decoder(code)|^2: the sum over pixels, the mean over the batch."""
    return losses.mse(model.logits(code), x, activation=model.head, reduction="batchmean")
