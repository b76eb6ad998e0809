"""Autoencoders: an encoder from images to codes, a decoder from codes back to images. Architecture only.

Their losses, with noise on the input or a penalty on the code, are in ``minigen/algorithms/autoencoders/``.

Imports: nn, ops. Read next: ``minigen/algorithms/autoencoders/ae.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.models.sizes import Halving, check_sides, halve
from minigen.nn.layers import Initializer
from minigen.random import Generator

ImageShape = tuple[int, int, int]  # (C, H, W)

OTHERS = "use 'ae' or 'deep-ae', which take any size"


class Autoencoder(nn.Module):
    """x (N, C, H, W) -> code (N, ...) -> pre-activations (N, C, H, W) -> `head` -> reconstruction (N, C, H, W).

    The decoder gives pre-activations (logits if the head is a sigmoid), because the cross-entropy is computed from
    logits: the logarithm of a saturated sigmoid would be -Inf. The input of the encoder is x - `centre`, a number (a
    buffer, 0 until `set_data_mean`).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: Callable[[Tensor], Tensor] = ops.sigmoid) -> None:
        self.encoder, self.decoder, self.head = encoder, decoder, head
        self.centre = Tensor(np.zeros((), np.float32))

    def set_data_mean(self, mean: float) -> None:
        """Centre the input at `mean`, the mean of the data, and make it the output of the untrained decoder.

        Inputs should have mean 0 (LeCun et al. 1998, Efficient BackProp, section 4.3): on bright images the
        pre-activations of a unit move together for all images, and most ReLU units are soon 0 for every image. A
        convolution with padding now pads with the mean instead of black.

        The initial bias of the last layer is that of the mean (as in Burda et al. 2016, arXiv:1509.00519). Otherwise
        the first updates only darken the image; if most of it is background, the sigmoid saturates and training stops.
        """
        self.centre.data = array_module(self.centre.data).full_like(self.centre.data, mean)
        if self.head is ops.sigmoid:
            inside = min(max(mean, 1e-3), 1 - 1e-3)
            start = math.log(inside / (1 - inside))
        else:
            start = math.atanh(min(max(mean, -0.999), 0.999)) if self.head is ops.tanh else mean
        biases = [p for name, p in self.decoder.named_parameters() if name.endswith(".bias")]
        biases[-1].data = array_module(biases[-1].data).full_like(biases[-1].data, start)

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to codes."""
        return self.call_submodule(self.encoder, x - self.centre)

    def logits(self, code: Tensor) -> Tensor:
        """Codes to images (N, C, H, W) before the head."""
        return self.call_submodule(self.decoder, code)

    def decode(self, code: Tensor) -> Tensor:
        """Codes to images (N, C, H, W)."""
        return self.head(self.logits(code))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def identity(x: Tensor) -> Tensor:
    """Return x: the head of a decoder without an output activation, the activation of a linear layer."""
    return x


def dense(
    image: ImageShape,
    encoder: tuple[int, ...],
    decoder: tuple[int, ...],
    *,
    rng: Generator,
    activation: Callable[[Tensor], Tensor] = ops.relu,
    code: Callable[[Tensor], Tensor] = ops.relu,
    head: Callable[[Tensor], Tensor] = ops.sigmoid,
) -> Autoencoder:
    """Dense layers of the given widths; the last width of `encoder` is the size of the code.

    ``dense((1, 28, 28), (128, 64), (128,))`` is 784-128-64-128-784. `activation` follows every hidden layer, `code` the
    code layer. Weights are initialised as in Glorot and Bengio 2010 (uniform): of four rules the one with the lowest
    loss after short runs (``docs/results.md``, first weights).
    """
    pixels = image[0] * image[1] * image[2]
    down = dense_layers((pixels, *encoder), activation, nn.init.glorot_uniform, rng)
    up = dense_layers((encoder[-1], *decoder, pixels), activation, nn.init.glorot_uniform, rng)
    return Autoencoder(nn.Sequential(nn.Flatten(), *down[:-1], code), nn.Sequential(*up[:-1], nn.Reshape(image)), head)


def dense_layers(
    widths: tuple[int, ...], activation: Callable[[Tensor], Tensor], weight_init: Initializer | None, rng: Generator
) -> list[Any]:
    """Dense layers from each width to the next, each followed by the activation."""
    stack: list[Any] = []
    for n_in, n_out in itertools.pairwise(widths):
        stack += [nn.Dense(n_in, n_out, weight_init=weight_init, rng=rng), activation]
    return stack


def convolutional(
    image: ImageShape,
    *,
    channels: int = 16,
    latent: int = 8,
    rng: Generator,
    head: Callable[[Tensor], Tensor] = ops.sigmoid,
) -> Autoencoder:
    """3x3 convolutions (`channels`, half as many, `latent`), each with 2x2 max pooling in ceil mode; mirrored decoder.

    28x28 images become codes of `latent` x 4 x 4, others of an eighth of their sides, rounded up. Upsampling gives 8,
    16 and 28: what is too much before the last (16 -> 14) is taken off by a convolution without padding, and a single
    pixel by `Crop`. Multiples of 8 need neither, multiples of 4 no crop. Sides from 4.
    """
    n, *sides = image
    half = max(1, channels // 2)
    check_sides(image[1:], OTHERS)
    excess = [4 * -(-side // 8) - -(-side // 2) for side in sides]  # 0 to 3 pixels before the last upsampling
    last = (1 - excess[0] // 2, 1 - excess[1] // 2)

    def crop(*odd: int) -> list[nn.Module]:
        return [Crop(*odd)] if any(odd) else []

    def conv(n_in: int, n_out: int, padding: int | tuple[int, int] = 1) -> nn.Conv2d:
        return nn.Conv2d(n_in, n_out, 3, padding=padding, weight_init=nn.init.he_uniform, rng=rng)

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(2, ceil_mode=True)

    encoder = nn.Sequential(
        conv(n, channels), ops.relu, pool(), conv(channels, half), ops.relu, pool(),
        conv(half, latent), ops.relu, pool(),
    )  # fmt: skip
    decoder = nn.Sequential(
        conv(latent, half), ops.relu, nn.Upsample(2), conv(half, half), ops.relu, nn.Upsample(2),
        conv(half, channels, last), ops.relu, *crop(excess[0] % 2, excess[1] % 2), nn.Upsample(2),
        *crop(sides[0] % 2, sides[1] % 2), conv(channels, n),
    )  # fmt: skip
    return Autoencoder(encoder, decoder, head)


def dcgan(
    image: ImageShape,
    *,
    channels: int = 64,
    latent: int = 100,
    halvings: int = 2,
    rng: Generator,
    head: Callable[[Tensor], Tensor] = ops.sigmoid,
) -> Autoencoder:
    """Strided 5x5 convolutions with batch norm down, dense and transposed 5x5 convolutions with batch norm up.

    The decoder is DCGAN's generator for 28x28 (dense 7x7x256, 128, 64 = `channels`; Radford et al. 2016,
    arXiv:1511.06434), the encoder its discriminator without the last layer. `halvings` as in ``sizes.py``, each with
    twice the channels. Sides from 4.
    """
    steps = halve(image, 5, halvings, OTHERS)
    widths = [image[0], *(channels * 2**i for i in range(len(steps)))]  # from the image to the smallest feature map
    h, w = steps[-1].after
    size = 2 * widths[-1] * h * w
    encoder = nn.Sequential(
        *(layer for step, n_in, n_out in zip(steps, widths, widths[1:])
          for layer in (strided_conv(n_in, n_out, 5, step, rng), nn.BatchNorm(n_out), leaky_relu)),
        nn.Flatten(), nn.Dense(widths[-1] * h * w, latent, rng=rng),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Dense(latent, size, rng=rng), nn.BatchNorm(size), leaky_relu, nn.Reshape((2 * widths[-1], h, w)),
        nn.ConvTranspose2d(2 * widths[-1], widths[-1], 5, padding=2, rng=rng),
        *(layer for step, n_out, n_in in zip(steps[::-1], widths[-2::-1], widths[::-1])
          for layer in (nn.BatchNorm(n_in), leaky_relu, transposed_conv(n_in, n_out, 5, step, rng))),
    )  # fmt: skip
    return Autoencoder(encoder, decoder, head)


def strided_conv(
    n_in: int, n_out: int, kernel: int, step: Halving, rng: Generator, weight_init: Initializer | None = None
) -> nn.Conv2d:
    """A convolution that halves height and width."""
    return nn.Conv2d(n_in, n_out, kernel, stride=2, padding=step.padding, weight_init=weight_init, rng=rng)


def transposed_conv(
    n_in: int, n_out: int, kernel: int, step: Halving, rng: Generator, weight_init: Initializer | None = None
) -> nn.ConvTranspose2d:
    """A transposed convolution back to the size before the halving."""
    return nn.ConvTranspose2d(
        n_in, n_out, kernel, stride=2, padding=step.padding, output_padding=step.output_padding,
        weight_init=weight_init, rng=rng,
    )  # fmt: skip


class Crop(nn.Module):
    """Leave `rows` last rows and `columns` last columns of x (N, C, H, W) out."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : x.shape[2] - self.rows, : x.shape[3] - self.columns]


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU with the slope 0.2 that DCGAN uses."""
    return ops.leaky_relu(x, 0.2)


class TopK(nn.Module):
    """Keep the k largest elements of each row (N, D), set the others to 0 (Makhzani and Frey 2014, arXiv:1312.5663)."""

    def __init__(self, k: int) -> None:
        if k < 1:
            raise ValueError(f"TopK: k must be at least 1, got {k}")
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] < self.k:
            raise nn.ShapeError(self, f"(N, D) with D >= {self.k}", x.shape)
        xp = array_module(x.data)
        best = xp.argsort(-x.data, axis=1, kind="stable")[:, : self.k]
        keep = xp.zeros(x.shape, np.bool_)
        xp.put_along_axis(keep, best, True, 1)
        return ops.where(Tensor(keep), x, 0.0)
