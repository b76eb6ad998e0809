"""The arithmetic that a step needs at least, counted from the shapes of its layers.

Imports: nothing. Read next: ``steps.py``.
"""

from __future__ import annotations

from collections.abc import Sequence


def dense(*widths: int) -> list[int]:
    """Products (multiplications with an addition) for one sample in a chain of dense layers, layer by layer."""
    return [a * b for a, b in zip(widths, widths[1:])]


def conv(c_in: int, c_out: int, kernel: int, side: int) -> int:
    """The same for a convolution with square kernels and results; transposed: with the side of its input."""
    return c_in * c_out * kernel**2 * side**2


def halving(kernel: int, side: int, *channels: int) -> list[int]:
    """Convolutions with stride 2, from an image of that side; reversed: the transposed ones of a mirrored decoder."""
    return [conv(a, b, kernel, side // 2 ** (i + 1)) for i, (a, b) in enumerate(zip(channels, channels[1:]))]


def train(products: Sequence[int], samples: int = 1) -> int:
    """FLOPs of forward and both gradients of every layer; the first layer's input needs no gradient."""
    return 2 * samples * (3 * sum(products) - products[0])


def forward(products: Sequence[int], samples: int = 1) -> int:
    """FLOPs of the forward pass alone."""
    return 2 * samples * sum(products)


def through(products: Sequence[int], samples: int = 1) -> int:
    """FLOPs of the forward pass and of the gradient in the input, for a network that is not trained here."""
    return 4 * samples * sum(products)


def gan(generator: Sequence[int], discriminator: Sequence[int]) -> int:
    """FLOPs of one discriminator and one generator update: each draws its own noise, so the generator runs twice."""
    return forward(generator) + train(discriminator, 2) + train(generator) + through(discriminator)


def slope(products: Sequence[int]) -> int:
    """FLOPs of a gradient penalty: forward and the gradient in the images, then the two gradients of each product.

    The slopes of leaky ReLU are constants, so nothing flows back into the forward pass.
    """
    return 2 * through(products)
