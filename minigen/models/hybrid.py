"""Networks of hybrids of autoencoder and GAN: encoders, and discriminators of codes, pairs and features.

An encoder is a discriminator network with a code instead of the score; a decoder is a generator. So all these models
have the networks of a GAN, and differ in their losses: see ``minigen/algorithms/hybrid``.

Imports: nn, ops, models. Read next: ``minigen/algorithms/hybrid/aae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape, dense_layers
from minigen.models.gan import Discriminator, downsampling_steps, leaky_relu, upsampling_conv
from minigen.models.likelihood import soft_clamp
from minigen.random import Generator


class Encoder(nn.Module):
    """x (N, C, H, W) -> codes (N, D): `features` (N, F), then `code`, a linear layer."""

    def __init__(self, features: nn.Module, code: nn.Module) -> None:
        self.features, self.code = features, code

    def forward(self, x: Tensor) -> Tensor:
        return self.code(self.features(x))


class GaussianEncoder(nn.Module):
    """x (N, C, H, W) -> mean and log-variance, each (N, D), of q(z | x). `forward` gives the mean."""

    def __init__(self, features: nn.Module, mean: nn.Module, logvar: nn.Module) -> None:
        self.features, self.mean, self.logvar = features, mean, logvar

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, D). The log-variance is between -15 and 15 (`soft_clamp`)."""
        features = self.call_submodule(self.features, x)
        return self.call_submodule(self.mean, features), soft_clamp(self.call_submodule(self.logvar, features))

    def forward(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]


class AutoencodingDiscriminator(nn.Module):
    """A discriminator that is an autoencoder: x (N, C, H, W) -> code (N, D) -> reconstruction.

    The score of an image is its reconstruction error, which is low for images like those of the training.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to codes (N, D)."""
        return self.call_submodule(self.encoder, x)

    def decode(self, code: Tensor) -> Tensor:
        """Codes (N, D) to images (N, C, H, W)."""
        return self.call_submodule(self.decoder, code)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class JointDiscriminator(nn.Module):
    """Pairs of an image x (N, C, H, W) and a code z (N, D) to scores (N,), high for pairs of the encoder.

    Image and code have separate layers, followed by common ones (Dumoulin et al. 2017, arXiv:1606.00704, table
    6 onwards).
    """

    def __init__(self, of_image: nn.Module, of_code: nn.Module, of_both: nn.Module) -> None:
        self.of_image, self.of_code, self.of_both = of_image, of_code, of_both

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        both = ops.concat([self.of_image(x), self.of_code(z)], axis=1)
        return ops.reshape(self.of_both(both), (x.shape[0],))


def encoder(discriminator: Discriminator, *, latent: int, rng: Generator) -> Encoder:
    """An encoder with the layers of a (new) discriminator, and codes of size `latent`."""
    return Encoder(discriminator.features, nn.Dense(feature_size(discriminator), latent, rng=rng))


def gaussian_encoder(discriminator: Discriminator, *, latent: int, rng: Generator) -> GaussianEncoder:
    """A Gaussian encoder with the layers of a (new) discriminator, and codes of size `latent`."""
    size = feature_size(discriminator)
    mean, logvar = (nn.Dense(size, latent, rng=rng.spawn(name)) for name in ("mean", "logvar"))
    return GaussianEncoder(discriminator.features, mean, logvar)


def feature_size(discriminator: Discriminator) -> int:
    """The number of features in the last layer of a discriminator."""
    return next(p.shape[1] for p in discriminator.score.parameters() if p.ndim == 2)


def joint_discriminator(image: Discriminator, *, latent: int, hidden: int, rng: Generator) -> JointDiscriminator:
    """A discriminator of pairs; its layers for the image are those of a (new) discriminator of images."""
    he, size = nn.init.he_normal, feature_size(image)
    of_code = nn.Sequential(nn.Dense(latent, hidden, weight_init=he, rng=rng.spawn("code")), leaky_relu)
    of_both = nn.Sequential(
        nn.Dense(size + hidden, hidden, weight_init=he, rng=rng.spawn("both")), leaky_relu,
        nn.Dense(hidden, 1, weight_init=nn.init.glorot_uniform, rng=rng.spawn("score")),
    )  # fmt: skip
    return JointDiscriminator(image.features, of_code, of_both)


def denoiser(size: int, *, hidden: int, rng: Generator) -> nn.Sequential:
    """Features (N, size) to features: two hidden layers and a linear one."""
    return nn.Sequential(
        *dense_layers((size, hidden, hidden), leaky_relu, nn.init.he_normal, rng),
        nn.Dense(hidden, size, weight_init=nn.init.glorot_uniform, rng=rng),
    )  # fmt: skip


def dense_decoder(image: ImageShape, *, latent: int, widths: Sequence[int], rng: Generator) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): dense layers without batch norm and without head.

    Batch norm would mix images. With a tanh saturated images would be easy to reconstruct, and the generator would make
    such images.
    """
    layers = dense_layers((latent, *widths), leaky_relu, nn.init.he_normal, rng)
    last = nn.Dense((latent, *widths)[-1], math.prod(image), weight_init=nn.init.glorot_uniform, rng=rng)
    return nn.Sequential(*layers, last, nn.Reshape(image))


def conv_decoder(
    image: ImageShape, *, latent: int, channels: int, kernel: int, halvings: int = 0, rng: Generator
) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): ``gan.dcgan_generator`` without batch norm and head, likewise."""
    steps = downsampling_steps(image, kernel, halvings)
    height, width = steps[-1].after
    size, he = channels * 2 ** (len(steps) - 1), nn.init.he_normal
    first = nn.Dense(latent, size * height * width, weight_init=he, rng=rng)
    layers: list[Any] = [first, nn.Reshape((size, height, width)), leaky_relu]
    for step in steps[:0:-1]:
        layers += [upsampling_conv(size, size // 2, kernel, step, rng, he), leaky_relu]
        size //= 2
    return nn.Sequential(*layers, upsampling_conv(size, image[0], kernel, steps[0], rng, nn.init.glorot_uniform))
