"""Autoencoders: an encoder from images to codes, a decoder from codes back to images. Architecture only.

How they are trained - with noise on the input, with a penalty on the code - is in ``minigen/algorithms/autoencoders/``.

Imports: nn, ops. Read next: ``minigen/algorithms/autoencoders/ae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.models.sizes import check_multiples_of_4
from minigen.random import Generator

ImageShape = tuple[int, int, int]  # (C, H, W)


class Autoencoder(nn.Module):
    """x (N, C, H, W) -> code (N, ...) -> pre-activations (N, C, H, W) -> `head` -> reconstruction (N, C, H, W).

    The decoder gives pre-activations (logits where the head is a sigmoid), because the cross-entropy is computed from
    them: log(sigmoid(x)) of a rounded sigmoid would be -Inf. The encoder sees x - `centre`, the mean of the data (a
    buffer, 0 until `set_data_mean`).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: Callable[[Tensor], Tensor] = ops.sigmoid) -> None:
        self.encoder, self.decoder, self.head = encoder, decoder, head
        self.centre = Tensor(np.zeros((), np.float32))

    def set_data_mean(self, mean: float) -> None:
        """Subtract `mean`, the data's mean value, from the input, and make it the output of an untrained decoder.

        Without the first, each update of a unit's weights moves its sums for all images together, the more the brighter
        they are: on bright pictures most ReLU units are soon at 0 for every image, and never learn again. (LeCun et al.
        1998, Efficient BackProp, section 4.3.) The bias of a dense first layer can undo it; a
        convolution with padding now pads with the mean instead of black.

        Without the second (a bias of the decoder's last layer) the first updates do little but darken the picture;
        where the data are mostly background a sigmoid is then driven so far that its gradient vanishes, and training
        stands still. (Burda et al. 2016, arXiv:1509.00519, start from the mean of the data for the same reason.)
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
        return self.locating(self.encoder, x - self.centre)

    def logits(self, code: Tensor) -> Tensor:
        """Codes to images (N, C, H, W) before the head."""
        return self.locating(self.decoder, code)

    def decode(self, code: Tensor) -> Tensor:
        """Codes to images (N, C, H, W)."""
        return self.head(self.logits(code))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def identity(x: Tensor) -> Tensor:
    """X itself: the head of a decoder without an output activation, the activation of a linear layer."""
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
    code layer. Weights begin uniform by Glorot and Bengio 2010: of four rules the one whose short runs end lowest
    (``docs/results.md``, first weights).
    """
    pixels = image[0] * image[1] * image[2]
    down: list[Any] = [nn.Flatten()]
    for width_in, width_out in zip((pixels, *encoder), encoder, strict=False):
        down += [nn.Dense(width_in, width_out, weight_init=nn.init.glorot_uniform, rng=rng), activation]
    down[-1] = code
    up: list[Any] = []
    for width_in, width_out in zip((encoder[-1], *decoder), (*decoder, pixels), strict=True):
        up += [nn.Dense(width_in, width_out, weight_init=nn.init.glorot_uniform, rng=rng), activation]
    up[-1] = nn.Reshape(image)
    return Autoencoder(nn.Sequential(*down), nn.Sequential(*up), head)


def convolutional(
    image: ImageShape,
    *,
    channels: int = 16,
    latent: int = 8,
    rng: Generator,
    head: Callable[[Tensor], Tensor] = ops.sigmoid,
) -> Autoencoder:
    """3x3 convolutions (`channels`, half as many, `latent`), each with 2x2 max pooling in ceil mode; and the way back.

    28x28 images become codes of `latent` x 4 x 4. Upsampling gives 8, 16 and then 28: between the last two stands a
    convolution without padding (16 -> 14). Sides that are a multiple of 8 need none. Sides must be multiples of 4.
    """
    n, height, width = image
    half = max(1, channels // 2)
    check_multiples_of_4(height, width, "use 'ae' or 'deep-ae', which take any size")
    narrow = [4 * -(-side // 8) - side // 2 for side in (height, width)]  # pixels too many before the last upsampling
    last = (1 - narrow[0] // 2, 1 - narrow[1] // 2)

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
        conv(half, channels, last), ops.relu, nn.Upsample(2), conv(channels, n),
    )  # fmt: skip
    return Autoencoder(encoder, decoder, head)


def dcgan(
    image: ImageShape,
    *,
    channels: int = 64,
    latent: int = 100,
    rng: Generator,
    head: Callable[[Tensor], Tensor] = ops.sigmoid,
) -> Autoencoder:
    """Strided 5x5 convolutions with batch norm down, dense and transposed 5x5 convolutions with batch norm up.

    The decoder is DCGAN's generator for 28x28 (dense 7x7x256, 128, 64 = `channels`; Radford et al. 2016,
    arXiv:1511.06434), the encoder its discriminator without the last layer. Sides must be multiples of 4.
    """
    n, height, width = image
    double, most = 2 * channels, 4 * channels
    check_multiples_of_4(height, width, "use 'ae' or 'deep-ae', which take any size")
    h, w = height // 4, width // 4
    encoder = nn.Sequential(
        nn.Conv2d(n, channels, 5, stride=2, padding=2, rng=rng), nn.BatchNorm(channels), leaky_relu,
        nn.Conv2d(channels, double, 5, stride=2, padding=2, rng=rng), nn.BatchNorm(double), leaky_relu,
        nn.Flatten(), nn.Dense(double * h * w, latent, rng=rng),
    )  # fmt: skip

    def up(n_in: int, n_out: int) -> nn.ConvTranspose2d:
        return nn.ConvTranspose2d(n_in, n_out, 5, stride=2, padding=2, output_padding=1, rng=rng)

    decoder = nn.Sequential(
        nn.Dense(latent, most * h * w, rng=rng), nn.BatchNorm(most * h * w), leaky_relu, nn.Reshape((most, h, w)),
        nn.ConvTranspose2d(most, double, 5, padding=2, rng=rng), nn.BatchNorm(double), leaky_relu,
        up(double, channels), nn.BatchNorm(channels), leaky_relu,
        up(channels, n),
    )  # fmt: skip
    return Autoencoder(encoder, decoder, head)


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
