"""An estimate of log p(x) from importance samples, for any number of samples in little memory.

Imports: models.vae. Read next: ``minigen/metrics/likelihood.py``, which makes a report of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models.vae import VAE
from minigen.random import Generator
from minigen_kernels import Array

DECODER_BATCH = 2000  # codes that the decoder is given at once
IMAGE_BATCH = 100  # images that the encoder is given at once


def log_likelihood(
    model: VAE,
    images: Array,
    k: int,
    *,
    preprocess: Callable[[Array, Generator], Tensor],
    rng: Generator,
    labels: Array | None = None,
) -> Array:
    """log (1/k sum of w_i) for each image, w_i = p(x, z_i) / q(z_i | x) with z_i from q(z | x): (N,) float64, nats.

    In expectation a lower bound of log p(x), the evidence bound (ELBO) for k = 1, that rises with k towards log p(x)
    (Burda et al. 2016, arXiv:1509.00519). `preprocess` makes of images (N, C, H, W) what the model takes; `labels`
    (N, K), one-hot, are for a conditional model. ValueError for k below 1.
    """
    if k < 1:
        raise ValueError(f"log_likelihood: k, the number of importance samples, must be at least 1, got {k}")
    means = [np.zeros(0)]
    device = model.centre.device
    with model.evaluation():
        for i in range(0, len(images), IMAGE_BATCH):
            x = preprocess(images[i : i + IMAGE_BATCH], rng)
            y = None if labels is None else Tensor(to_device(labels[i : i + IMAGE_BATCH], device))
            total = np.full(len(x), -np.inf)
            samples = max(1, DECODER_BATCH // len(x))
            for done in range(0, k, samples):
                shape = (min(samples, k - done), len(x), model.noise_size)
                log_p, log_ratio = model.log_weights(x, Tensor(rng.normal(shape, dtype=x.dtype)), y)
                log_w = log_p.numpy().astype(np.float64) + log_ratio.numpy()
                total = np.logaddexp(total, logsumexp(log_w))
            means.append(total - np.log(k))
    return np.concatenate(means)


def logsumexp(x: Array) -> Array:
    """log(sum(exp(x))) over the first axis, without overflow; -inf where all of x is."""
    largest = x.max(0)
    shift = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        total: Array = np.log(np.exp(x - shift).sum(0)) + shift
    return total
