"""The networks of a GAN: generators from codes to images, discriminators from images to scores. Architecture only.

A generator is a Sequential that ends in an activation with the range of the data. A `Discriminator` gives one
unbounded score for each image, a logit if the loss needs a probability. The updates are in ``algorithms/adversarial``.

Imports: nn, ops. Read next: ``minigen/algorithms/adversarial/step.py``.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape, strided_conv, transposed_conv
from minigen.models.sizes import Halving, halve
from minigen.nn.layers import Initializer
from minigen.random import Generator

Norm = Literal["none", "batch", "layer", "spectral"]
Activation = Callable[[Tensor], Tensor]

leaky_relu = functools.partial(ops.leaky_relu, slope=0.2)  # a Sequential fuses it with the layer before
_he = functools.partial(nn.init.he_normal, slope=0.2)


class Discriminator(nn.Module):
    """x (N, C, H, W) -> scores (N,): `features` (N, ...), then `score`, a linear layer."""

    def __init__(self, features: nn.Module, score: nn.Module) -> None:
        self.features, self.score = features, score

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(self.score(self.features(x)), (x.shape[0],))


def dense_generator(
    image: ImageShape, *, latent: int, widths: Sequence[int], rng: Generator, head: Activation = ops.tanh
) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): dense layers of the given widths with batch norm and leaky ReLU."""
    layers: list[Any] = []
    for n_in, n_out in zip((latent, *widths), widths):
        dense = nn.Dense(n_in, n_out, weight_init=_he, rng=rng)
        layers += [dense, nn.BatchNorm(n_out), leaky_relu]
    pixels = image[0] * image[1] * image[2]
    last = nn.Dense((latent, *widths)[-1], pixels, weight_init=nn.init.glorot_uniform, rng=rng)
    return nn.Sequential(*layers, last, nn.Reshape(image), head)


def dense_discriminator(
    image: ImageShape, *, widths: Sequence[int], rng: Generator, norm: Norm = "none"
) -> Discriminator:
    """Images (N, C, H, W) to scores (N,): dense layers of the given widths with leaky ReLU, and one unit."""
    pixels = image[0] * image[1] * image[2]
    layers: list[Any] = [nn.Flatten()]
    for i, (n_in, n_out) in enumerate(zip((pixels, *widths), widths)):
        dense = nn.Dense(n_in, n_out, weight_init=_he, rng=rng)
        layers += [*_with_norm(dense, norm, n_out, (n_out,), first=i == 0, rng=rng), leaky_relu]
    last = nn.Dense((pixels, *widths)[-1], 1, weight_init=nn.init.glorot_uniform, rng=rng)
    return Discriminator(nn.Sequential(*layers), _score_layer(last, norm, rng))


def dcgan_generator(
    image: ImageShape,
    *,
    latent: int = 100,
    channels: int = 64,
    kernel: int = 4,
    halvings: int = 0,
    rng: Generator,
    head: Activation = ops.tanh,
) -> nn.Sequential:
    """Codes (N, latent) to images (N, C, H, W): dense, then transposed convolutions of stride 2 with batch norm, ReLU.

    28x28 images: 7x7 (2 `channels`), 14x14 (`channels`), 28x28; 32x32 images start from 8x8; larger ones have more
    layers, each with twice the channels (Radford et al. 2016, arXiv:1511.06434): `halvings`, or 0 for the number of
    ``sizes.automatic_count``. Initial weights are N(0, 0.02), as there. ValueError for sides below 4.
    """
    steps = downsampling_steps(image, kernel, halvings)
    height, width = steps[-1].after
    size = channels * 2 ** (len(steps) - 1)
    layers: list[Any] = [
        nn.Dense(latent, size * height * width, weight_init=nn.init.normal, rng=rng),
        nn.Reshape((size, height, width)), nn.BatchNorm(size), ops.relu,
    ]  # fmt: skip
    for step in steps[:0:-1]:
        layers += [upsampling_conv(size, size // 2, kernel, step, rng), nn.BatchNorm(size // 2), ops.relu]
        size //= 2
    return nn.Sequential(*layers, upsampling_conv(size, image[0], kernel, steps[0], rng), head)


def dcgan_discriminator(
    image: ImageShape, *, channels: int = 64, kernel: int = 4, halvings: int = 0, norm: Norm = "batch", rng: Generator
) -> Discriminator:
    """Images (N, C, H, W) to scores (N,): convolutions of stride 2 with leaky ReLU, and a dense unit.

    The first has `channels`, each further one twice as many; the number of convolutions is that of `dcgan_generator`.
    The first has no batch or layer norm (Radford et al. 2016). Initial weights are N(0, 0.02), or without any norm
    those of He et al. 2015. ValueError for sides below 4.
    """
    steps = downsampling_steps(image, kernel, halvings)
    start: Initializer = _he if norm == "none" else nn.init.normal
    layers: list[Any] = []
    n_in = image[0]
    for i, step in enumerate(steps):
        n_out = channels * 2**i
        conv = strided_conv(n_in, n_out, kernel, step, rng, start)
        layers += [*_with_norm(conv, norm, n_out, (n_out, *step.after), first=i == 0, rng=rng), leaky_relu]
        n_in = n_out
    last = nn.Dense(n_in * math.prod(steps[-1].after), 1, weight_init=start, rng=rng)
    return Discriminator(nn.Sequential(*layers, nn.Flatten()), _score_layer(last, norm, rng))


def downsampling_steps(image: ImageShape, kernel: int, halvings: int) -> list[Halving]:
    """The strided convolutions of a discriminator, from the image on; a generator goes back the same way."""
    return halve(image, kernel, halvings, "take --network dense, where the model has it")


def warn_of_checkerboard(network: nn.Module) -> None:
    """One UserWarning if a transposed convolution has a kernel size that is not a multiple of its stride.

    Such a layer sums more products for some pixels than for their neighbours, which gives checkerboard artifacts (Odena
    et al. 2016, Deconvolution and checkerboard artifacts, Distill).
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.ConvTranspose2d):
            if any(k % s for k, s in zip(layer.kernel_size, layer.stride, strict=True)):
                warnings.warn(
                    f"ConvTranspose2d '{name}': its stride {layer.stride} does not divide its kernel "
                    f"{layer.kernel_size}, which favours checkerboard patterns; a kernel of 4 with stride 2 does not",
                    stacklevel=2,
                )
                return


def upsampling_conv(
    n_in: int, n_out: int, kernel: int, step: Halving, rng: Generator, weight_init: Initializer = nn.init.normal
) -> nn.ConvTranspose2d:
    """A transposed convolution back to the size before a halving, with weights from N(0, 0.02)."""
    return transposed_conv(n_in, n_out, kernel, step, rng, weight_init)


def _with_norm(
    layer: nn.Dense | nn.Conv2d, norm: Norm, channels: int, shape: tuple[int, ...], *, first: bool, rng: Generator
) -> list[nn.Module]:
    """The layer with spectral norm, or followed by a norm of its output with `channels` and (without N) `shape`."""
    if norm == "spectral":
        return [nn.SpectralNorm(layer, rng=rng)]
    if norm == "none" or first:
        return [layer]
    return [layer, nn.BatchNorm(channels) if norm == "batch" else nn.LayerNorm(shape)]


def _score_layer(last: nn.Dense, norm: Norm, rng: Generator) -> nn.Module:
    return nn.SpectralNorm(last, rng=rng) if norm == "spectral" else last
