"""What is measured: six training steps, their data, the noise that they draw, and the arithmetic that they need.

The networks themselves stand in ``in_minigen.py`` and, the same again, in the files of the peers.

Imports: NumPy. Read next: ``in_minigen.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Draw = tuple[str, tuple[int, ...]]  # ("normal" or "uniform", shape of one sample)


def dense(*widths: int) -> list[int]:
    """Products (multiplications with an addition) for one sample in a chain of dense layers, layer by layer."""
    return [a * b for a, b in zip(widths, widths[1:])]


def conv(c_in: int, c_out: int, kernel: int, side: int) -> int:
    """The same for a convolution with square kernels and results; transposed: with the side of its input."""
    return c_in * c_out * kernel**2 * side**2


def train(products: Sequence[int], samples: int) -> int:
    """FLOPs of forward and both gradients of every layer; the first layer's input needs no gradient."""
    return 2 * samples * (3 * sum(products) - products[0])


def forward(products: Sequence[int], samples: int) -> int:
    """FLOPs of the forward pass alone."""
    return 2 * samples * sum(products)


def through(products: Sequence[int], samples: int) -> int:
    """FLOPs of the forward pass and of the gradient in the input, for a network that is not trained here."""
    return 4 * samples * sum(products)


def gan(generator: Sequence[int], discriminator: Sequence[int], samples: int) -> int:
    """FLOPs of one discriminator and one generator update: each draws its own noise, so the generator runs twice."""
    first = forward(generator, samples) + train(discriminator, 2 * samples)
    return first + train(generator, samples) + through(discriminator, samples)


CONV_AE = [
    conv(1, 16, 3, 28), conv(16, 8, 3, 14), conv(8, 8, 3, 7),
    conv(8, 8, 3, 4), conv(8, 8, 3, 8), conv(8, 16, 3, 14), conv(16, 1, 3, 28),
]  # fmt: skip
DCGAN_GENERATOR = [100 * 7 * 7 * 256, conv(256, 128, 5, 7), conv(128, 64, 5, 7), conv(64, 1, 5, 14)]
DCGAN_DISCRIMINATOR = [conv(1, 64, 3, 14), conv(64, 32, 3, 7), 32 * 7 * 7]
CRITIC = [conv(1, 64, 5, 14), conv(64, 128, 5, 7), 128 * 7 * 7]


@dataclass(frozen=True)
class Work:
    """One training step: `title` for the table, `flops` of one sample, `noise` that a step draws for each sample."""

    title: str
    flops: int
    image: tuple[int, ...]
    noise: tuple[Draw, ...] = ()
    low: float = 0.0  # pixels are uniform from here to 1

    def data(self, batch: int) -> list[NDArray[np.float32]]:
        """Two batches of random images: real and, for the critic, fake."""
        rng = np.random.default_rng(0)
        return [rng.uniform(self.low, 1, (batch, *self.image)).astype(np.float32) for _ in range(2)]

    def fixed_noise(self, batch: int) -> list[NDArray[np.float32]]:
        """What the comparison of losses uses instead of each library's own noise."""
        rng = np.random.default_rng(1)
        kinds = {"normal": rng.standard_normal, "uniform": rng.random}
        return [kinds[kind]((batch, *shape)).astype(np.float32) for kind, shape in self.noise]


TWO_CODES: tuple[Draw, ...] = (("normal", (100,)), ("normal", (100,)))

WORKS = {
    "dense-ae": Work("dense AE 784-128-64-128-784", train(dense(784, 128, 64, 128, 784), 1), (784,)),
    "conv-ae": Work("conv AE 16/8/8, max pooling, upsampling", train(CONV_AE, 1), (1, 28, 28)),
    "vae": Work(
        "VAE 784-400-20-400-784",
        train([784 * 400, 400 * 20, 400 * 20, *dense(20, 400, 784)], 1),
        (784,),
        (("normal", (20,)),),
    ),
    "gan": Work(
        "dense GAN, one D and one G update",
        gan(dense(100, 128, 256, 512, 1024, 784), dense(784, 1024, 512, 256, 128, 64, 32, 1), 1),
        (784,),
        TWO_CODES,
        -1.0,
    ),
    "dcgan": Work(
        "DCGAN 28x28, one D and one G update",
        gan(DCGAN_GENERATOR, DCGAN_DISCRIMINATOR, 1),
        (1, 28, 28),
        TWO_CODES,
        -1.0,
    ),
    "wgan-gp": Work(
        "WGAN-GP critic update",
        # The penalty: forward and the gradient in the images, then for each product of that gradient its two gradients.
        # The slopes of leaky ReLU are constants, so nothing flows back into the forward pass.
        train(CRITIC, 2) + 2 * through(CRITIC, 1),
        (1, 28, 28),
        (("uniform", (1, 1, 1)),),
        -1.0,
    ),
}
