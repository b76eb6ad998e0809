"""Networks of models that are autoencoder and GAN at once: encoders, and discriminators of other things than images.

An encoder is the discriminator's network with a code in the place of the score; a decoder is a generator. So every
model here has the networks of a GAN, and what differs is how they are trained: see ``minigen/algorithms/hybrid``.

Imports: nn, ops, models. Read next: ``minigen/algorithms/hybrid/aae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape
from minigen.models.gan import Discriminator, halvings, leaky_relu
from minigen.models.likelihood import bounded
from minigen.nn.layers import Initializer
from minigen.random import Generator


class Encoder(nn.Module):
    """x (N, C, H, W) -> codes (N, D): `features` (N, F), then `code`, a linear layer."""

    def __init__(self, features: nn.Module, code: nn.Module) -> None:
        self.features, self.code = features, code

    def forward(self, x: Tensor) -> Tensor:
        return self.code(self.features(x))


class GaussianEncoder(nn.Module):
    """x (N, C, H, W) -> mean and log-variance, each (N, D), of q(z | x). Called, it gives the mean."""

    def __init__(self, features: nn.Module, mean: nn.Module, logvar: nn.Module) -> None:
        self.features, self.mean, self.logvar = features, mean, logvar

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, D). The log-variance is `bounded`, smoothly, between -15 and 15."""
        features = self.locating(self.features, x)
        return self.locating(self.mean, features), bounded(self.locating(self.logvar, features))

    def forward(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]


class AutoencodingDiscriminator(nn.Module):
    """A discriminator that is an autoencoder: x (N, C, H, W) -> its reconstruction, by way of a code (N, D).

    It judges an image by how well it reconstructs it: its error is low where it has learnt to be at home.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to codes (N, D)."""
        return self.locating(self.encoder, x)

    def decode(self, code: Tensor) -> Tensor:
        """Codes (N, D) to images (N, C, H, W)."""
        return self.locating(self.decoder, code)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class JointDiscriminator(nn.Module):
    """Pairs of an image x (N, C, H, W) and a code z (N, D) to scores (N,): do they come from the encoder?

    Image and code each have layers of their own, and then common ones (Dumoulin et al. 2017, arXiv:1606.00704, table
    6 onwards).
    """

    def __init__(self, of_image: nn.Module, of_code: nn.Module, of_both: nn.Module) -> None:
        self.of_image, self.of_code, self.of_both = of_image, of_code, of_both

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        both = ops.concat([self.of_image(x), self.of_code(z)], axis=1)
        return ops.reshape(self.of_both(both), (x.shape[0],))


def encoder(discriminator: Discriminator, *, latent: int, rng: Generator) -> Encoder:
    """The encoder that has the layers of a (new) discriminator, and codes of size `latent`."""
    return Encoder(discriminator.features, nn.Dense(feature_size(discriminator), latent, rng=rng))


def gaussian_encoder(discriminator: Discriminator, *, latent: int, rng: Generator) -> GaussianEncoder:
    """The encoder that has the layers of a (new) discriminator, and gives a distribution over codes."""
    size = feature_size(discriminator)
    mean, logvar = (nn.Dense(size, latent, rng=rng.spawn(name)) for name in ("mean", "logvar"))
    return GaussianEncoder(discriminator.features, mean, logvar)


def feature_size(discriminator: Discriminator) -> int:
    """How many features of an image a discriminator's score is made of."""
    return next(p.shape[1] for p in discriminator.score.parameters() if p.ndim == 2)


def joint_discriminator(image: Discriminator, *, latent: int, hidden: int, rng: Generator) -> JointDiscriminator:
    """The discriminator of pairs whose layers for the image are those of a (new) discriminator of images."""
    he, size = nn.init.he_normal, feature_size(image)
    of_code = nn.Sequential(nn.Dense(latent, hidden, weight_init=he, rng=rng.spawn("code")), leaky_relu)
    of_both = nn.Sequential(
        nn.Dense(size + hidden, hidden, weight_init=he, rng=rng.spawn("both")), leaky_relu,
        nn.Dense(hidden, 1, weight_init=nn.init.glorot_uniform, rng=rng.spawn("score")),
    )  # fmt: skip
    return JointDiscriminator(image.features, of_code, of_both)


def denoiser(size: int, *, hidden: int, rng: Generator) -> nn.Sequential:
    """Features (N, size) to features: two hidden layers, and a linear one."""
    he = nn.init.he_normal
    return nn.Sequential(
        nn.Dense(size, hidden, weight_init=he, rng=rng), leaky_relu,
        nn.Dense(hidden, hidden, weight_init=he, rng=rng), leaky_relu,
        nn.Dense(hidden, size, weight_init=nn.init.glorot_uniform, rng=rng),
    )  # fmt: skip


def dense_decoder(image: ImageShape, *, latent: int, widths: Sequence[int], rng: Generator) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): dense layers with neither batch norm, which would mix images, nor head.

    A tanh at its end would reconstruct whatever is saturated without effort, and the generator would find that out.
    """
    layers: list[Any] = []
    for n_in, n_out in zip((latent, *widths), widths):
        layers += [nn.Dense(n_in, n_out, weight_init=nn.init.he_normal, rng=rng), leaky_relu]
    last = nn.Dense((latent, *widths)[-1], math.prod(image), weight_init=nn.init.glorot_uniform, rng=rng)
    return nn.Sequential(*layers, last, nn.Reshape(image))


def conv_decoder(image: ImageShape, *, latent: int, channels: int, kernel: int, rng: Generator) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): ``gan.dcgan_generator`` with neither batch norm nor head, likewise."""
    steps = halvings(image)
    height, width = image[1] >> steps, image[2] >> steps
    size = channels * 2 ** (steps - 1)

    def up(n_in: int, n_out: int, start: Initializer) -> nn.ConvTranspose2d:
        padding, extra = (kernel - 1) // 2, kernel % 2
        return nn.ConvTranspose2d(
            n_in, n_out, kernel, stride=2, padding=padding, output_padding=extra, weight_init=start, rng=rng
        )

    first = nn.Dense(latent, size * height * width, weight_init=nn.init.he_normal, rng=rng)
    layers: list[Any] = [first, nn.Reshape((size, height, width)), leaky_relu]
    for _ in range(steps - 1):
        layers += [up(size, size // 2, nn.init.he_normal), leaky_relu]
        size //= 2
    return nn.Sequential(*layers, up(size, image[0], nn.init.glorot_uniform))
