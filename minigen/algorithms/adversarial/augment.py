"""Augmentation of what a discriminator is shown: random translation, colour and cutout, of real and fake images alike.

Where images are few, a discriminator memorises them. If only the real ones were changed, the generator would learn to
generate the changes; if both are, and the gradient flows through, it does not (Zhao et al. 2020, DiffAugment,
arXiv:2006.10738). Every function maps images (N, C, H, W) to such images, differentiably, drawing anew for each image.

Imports: ops. Read next: ``step.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from minigen import ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.random import Generator
from minigen_kernels import Array

Augment = Callable[[Tensor, Generator], Tensor]


def translate(x: Tensor, rng: Generator, *, background: float = -1.0) -> Tensor:
    """Each image shifted by up to an eighth of its sides; what comes in over the edge is `background`.

    A shift is a product with matrices of zeros and ones, one for the rows of an image and one for its columns.
    """
    rows, columns = (_shift_matrices(side, x, rng) for side in x.shape[2:])
    return ops.matmul(ops.matmul(rows, x - background), ops.transpose(columns, (0, 1, 3, 2))) + background


def color(x: Tensor, rng: Generator) -> Tensor:
    """Brightness (+-0.5), contrast (times 0.5 to 1.5) and, of several channels, saturation (times 0 to 2)."""

    def uniform(low: float, high: float) -> Tensor:
        return Tensor(rng.uniform((x.shape[0], 1, 1, 1), low, high, dtype=x.dtype))

    x = x + uniform(-0.5, 0.5)
    if x.shape[1] > 1:
        grey = ops.mean(x, axis=1, keepdims=True)
        x = (x - grey) * uniform(0.0, 2.0) + grey
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) * uniform(0.5, 1.5) + mean


def cutout(x: Tensor, rng: Generator) -> Tensor:
    """A rectangle of half the height and width, anywhere (over the edge too), becomes 0, the middle of (-1, 1)."""
    xp, n, (height, width) = array_module(x.data), x.shape[0], x.shape[2:]

    def inside(side: int) -> Array:
        hole = side // 2
        start = rng.integers(-(hole // 2), side - hole // 2, (n, 1))
        at = xp.arange(side)[None]
        mask: Array = (at >= start) & (at < start + hole)
        return mask

    hole = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return x * Tensor((~hole).astype(x.dtype))


def diffaugment(x: Tensor, rng: Generator, *, background: float = -1.0) -> Tensor:
    """All three, as in the paper: colour, translation, cutout."""
    return cutout(translate(color(x, rng), rng, background=background), rng)


AUGMENTATIONS: dict[str, Augment | None] = {"none": None, "translate": translate, "diffaugment": diffaugment}


def augmented(x: Tensor, rng: Generator, *, augment: Augment | None, noise_std: float) -> Tensor:
    """Images (N, C, H, W) as a discriminator is shown them: augmented, and with noise of that standard deviation."""
    if augment is not None:
        x = augment(x, rng)
    if noise_std > 0:
        x = x + Tensor(rng.normal(x.shape, std=noise_std, dtype=x.dtype))
    return x


def linear_decay(std: float, k: int, steps: int) -> float:
    """The standard deviation of the noise for update k: it falls from `std` to 0 in `steps` updates."""
    return std * max(0.0, 1 - k / steps)


def _shift_matrices(side: int, x: Tensor, rng: Generator) -> Tensor:
    """Matrices (N, 1, side, side) that shift a column of pixels by up to side / 8."""
    xp, most = array_module(x.data), (side + 4) // 8
    by = rng.integers(-most, most + 1, (x.shape[0], 1, 1, 1))
    at = xp.arange(side)
    return Tensor((at[:, None] - by == at[None, :]).astype(x.dtype))
