"""The linear VAE: x = W z + b plus normal noise of one variance, with a linear encoder; its exact log-likelihood.

As p(x) = N(b, W W^T + v I), the model is probabilistic PCA (Tipping and Bishop 1999, JRSS B 61(3)), and all that other
VAEs estimate can be computed exactly: Lucas et al. 2019, arXiv:1911.02469. Derived in docs/guide/13_vae.md.

Imports: nn, vae. Read next: ``two_layer_vae.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape, identity
from minigen.models.likelihood import Gaussian
from minigen.models.vae import VAE
from minigen.random import Generator
from minigen_kernels import Array


class LearnedConstant(nn.Module):
    """A parameter (D,) as output for every sample: features (N, ...) -> (N, D). Its initial value is 0."""

    def __init__(self, size: int) -> None:
        self.value = nn.Parameter(np.zeros(size, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return ops.broadcast_to(self.value, (len(x), *self.value.shape))


def linear(image: ImageShape, *, latent: int = 32, variance: float = 1.0, rng: Generator) -> VAE:
    """A linear encoder for the mean, one log-variance a dimension for all images, a linear decoder, learned `variance`.

    This is enough for the optimal encoder: the mean of the posterior is linear in x, and its variance is the same for
    all x.
    """
    pixels = math.prod(image)
    glorot = nn.init.glorot_uniform
    return VAE(
        nn.Sequential(nn.Flatten()),
        nn.Dense(pixels, latent, weight_init=glorot, rng=rng),
        LearnedConstant(latent),
        nn.Sequential(nn.Dense(latent, pixels, weight_init=glorot, rng=rng), nn.Reshape(image)),
        Gaussian(identity, variance=variance, learned=True),
        latent=latent,
    )


def exact_log_likelihood(model: VAE, images: Array) -> Array:
    """log N(x; b, W W^T + v I) of images (N, C, H, W) under a linear VAE, (N,) in nats, in float64.

    By the identities of Woodbury and Sylvester only M = v I + W^T W, of the size of the code, is inverted.
    """
    if not isinstance(model.likelihood, Gaussian):
        raise TypeError(f"exact_log_likelihood: expected a linear VAE, got one with {type(model.likelihood).__name__}")
    state = {name: array.astype(np.float64) for name, array in model.decoder.state_dict().items()}
    w, b = state["0.weight"], state["0.bias"]  # (pixels, latent), (pixels,)
    variance = math.exp(float(model.likelihood.log_variance()))
    pixels, latent = w.shape
    m = variance * np.eye(latent) + w.T @ w
    d = images.reshape(len(images), -1).astype(np.float64) - b
    projected = d @ w
    squares = ((d * d).sum(1) - (projected * np.linalg.solve(m, projected.T).T).sum(1)) / variance
    log_det = (pixels - latent) * math.log(variance) + np.linalg.slogdet(m)[1]
    exact: Array = -0.5 * (squares + log_det + pixels * math.log(2 * math.pi))
    return exact
