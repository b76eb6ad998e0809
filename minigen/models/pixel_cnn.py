"""A PixelCNN over a grid of codes, an autoregressive model. It is the prior of a VQ-VAE.

p(grid) is the product over the positions, in raster order, of p(code | codes above, and to the left), computed with
masked convolutions (van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759, section 3.4). All factors of a
given grid are computed at once, while sampling goes position by position.

Imports: nn, ops, losses. Read next: ``minigen/algorithms/likelihood/vq_vae.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.device import array_module, to_device
from minigen.random import Generator
from minigen_kernels import Array


class MaskedConv2d(nn.Module):
    """A convolution of odd size of the positions before each one in raster order; with `include_center` also of itself.

    x (N, in, h, w) -> (N, out, h, w). The weight is multiplied by a constant mask: mask A of the paper, or mask B with
    `include_center`.
    """

    def __init__(self, n_in: int, n_out: int, size: int, *, include_center: bool, rng: Generator) -> None:
        self.conv = nn.Conv2d(n_in, n_out, size, padding=size // 2, rng=rng)
        mask = np.ones((1, 1, size, size), np.float32)
        mask[:, :, size // 2, size // 2 + include_center :] = 0
        mask[:, :, size // 2 + 1 :] = 0
        self.mask = Tensor(mask)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.conv.in_channels:
            raise nn.ShapeError(self, f"(N, {self.conv.in_channels}, h, w)", x.shape)
        return ops.conv2d(x, self.conv.weight * self.mask, self.conv.bias, padding=self.conv.padding)

    def forward_at(self, x: Tensor, i: int, j: int) -> Tensor:
        """The output (N, out) at position (i, j), for x (N, h, w, in): a dense layer of what the kernel sees."""
        reach, width = self.conv.kernel_size[0] // 2, x.shape[2]
        top, left, right = max(0, i - reach), max(0, j - reach), min(width, j + reach + 1)
        weight = (self.conv.weight * self.mask)[:, :, reach - i + top : reach + 1, reach - j + left : reach - j + right]
        seen = x[:, top : i + 1, left:right]
        return ops.linear(ops.flatten(seen), ops.flatten(ops.transpose(weight, (0, 2, 3, 1))), self.conv.bias)


class MaskedBlock(nn.Module):
    """x + f(x), f with one masked 5x5 convolution between two of 1x1, with half the channels.

    The paper has 3x3 (figure 5). On grids of 7x7 and 8x8 the larger receptive field gives a lower loss for the same
    time.
    """

    def __init__(self, channels: int, *, rng: Generator) -> None:
        half = max(1, channels // 2)
        self.layers = nn.Sequential(
            ops.relu, nn.Conv2d(channels, half, 1, rng=rng),
            ops.relu, MaskedConv2d(half, half, 5, include_center=True, rng=rng),
            ops.relu, nn.Conv2d(half, channels, 1, rng=rng),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)

    def forward_at(self, x: Tensor, i: int, j: int, cache: Array) -> Tensor:
        """The output (N, channels) at position (i, j), for x (N, channels) there.

        `cache` (N, h, w, channels // 2) keeps the input of the masked convolution from call to call.
        """
        before, (masked, *after) = self.layers[:3], self.layers[3:]
        cache[:, i, j] = _of_pixels(before, x).data
        return x + _of_pixels(after, masked.forward_at(Tensor(cache), i, j))


def _of_pixels(layers: Iterable[Any], x: Tensor) -> Tensor:
    """1x1 convolutions and functions of single pixels x (N, C): such a convolution is a dense layer."""
    for layer in layers:
        conv = layer if isinstance(layer, nn.Conv2d) else None
        x = layer(x) if conv is None else ops.linear(x, ops.flatten(conv.weight), conv.bias)
    return x


class PixelCNN(nn.Module):
    """A grid of codebook entries (N, D, h, w) to logits (N, K, h, w) for the indices.

    The logits of a position depend only on entries before it, but on a wide grid not on all of them: masked
    convolutions have a blind spot to the right in the rows above (van den Oord et al. 2016, arXiv:1606.05328, section
    2.2). A first layer of 7x7 makes it small on grids of 7x7 and 8x8. `place` (1, channels, h, w), added after that
    layer, is a learned positional embedding.
    """

    def __init__(
        self, codes: int, size: int, grid: tuple[int, int], *, channels: int = 128, layers: int = 4, rng: Generator
    ) -> None:
        self.codes, self.grid, self.blocks = codes, grid, layers
        self.first = MaskedConv2d(size, channels, 7, include_center=False, rng=rng)
        self.place = nn.Parameter(np.zeros((1, channels, *grid), np.float32))
        self.rest = nn.Sequential(
            *(MaskedBlock(channels, rng=rng) for _ in range(layers)),
            ops.relu, nn.Conv2d(channels, channels, 1, rng=rng),
            ops.relu, nn.Conv2d(channels, codes, 1, rng=rng),
        )  # fmt: skip

    def forward(self, e: Tensor) -> Tensor:
        if e.ndim != 4 or e.shape[2:] != self.grid:
            raise nn.ShapeError(self, f"(N, D, {self.grid[0]}, {self.grid[1]})", e.shape)
        return self.rest(self.first(e) + self.place)

    def nll(self, e: Tensor, indices: Array) -> Tensor:
        """-log p(grid) of each sample, (N,), in nats: entries e (N, D, h, w), their indices (N, h, w)."""
        logits = ops.reshape(ops.transpose(self(e), (0, 2, 3, 1)), (-1, self.codes))
        each = losses.cross_entropy(logits, Tensor(indices.reshape(-1)), reduction="none")
        return ops.sum(ops.reshape(each, (len(indices), -1)), axis=1)

    def sample(self, n: int, embedding: Array, rng: Generator) -> Array:
        """Sample indices (n, h, w) into `embedding` (K, D), position by position, on its device.

        Each layer computes one position at a time, with a cache of those before.
        """
        xp, (height, width) = array_module(embedding), self.grid
        device = "cpu" if xp is np else "cuda"
        u = to_device(rng.uniform((n, height, width), dtype=np.float64), device)
        indices = xp.zeros((n, height, width), np.int64)
        e = xp.zeros((n, height, width, embedding.shape[1]), embedding.dtype)
        half = max(1, self.place.shape[1] // 2)
        cache = [xp.zeros((n, height, width, half), embedding.dtype) for _ in range(self.blocks)]
        with self.evaluation():
            for i in range(height):
                for j in range(width):
                    logits = self.logits_at(e, i, j, cache).data.astype(np.float64)
                    p = xp.exp(logits - logits.max(1, keepdims=True))
                    total = xp.cumsum(p, axis=1)
                    below = total <= u[:, i, j, None] * total[:, -1:]
                    indices[:, i, j] = xp.minimum(below.sum(1), self.codes - 1)
                    e[:, i, j] = embedding[indices[:, i, j]]
        return indices

    def logits_at(self, e: Array, i: int, j: int, cache: list[Array]) -> Tensor:
        """Logits (N, K) of one position of the grid, for entries e (N, h, w, D); `cache` has that of each block."""
        x = self.first.forward_at(Tensor(e), i, j) + self.place[0, :, i, j]
        for block, block_cache in zip(self.rest[: self.blocks], cache, strict=True):
            x = block.forward_at(x, i, j, block_cache)
        return _of_pixels(self.rest[self.blocks :], x)
