"""A PixelCNN over a grid of codes: the probability of each, given those before it. It is the prior of a VQ-VAE.

p(grid) is the product over the places, in reading order, of p(code | codes above, and to the left); masked convolutions
see nothing else (van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759, section 3.4). So all factors of a
grid are computed at once, while a grid is drawn one place after the other.

Imports: nn, ops, losses. Read next: ``minigen/algorithms/likelihood/vq_vae.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.device import array_module, to_device
from minigen.random import Generator
from minigen_kernels import Array


class MaskedConv2d(nn.Module):
    """A convolution of odd size that sees what stands before a place in reading order, and with `own` the place itself.

    x (N, in, h, w) -> (N, out, h, w). The weight is multiplied by a constant mask: that is mask A of the paper, and
    with `own` mask B.
    """

    def __init__(self, n_in: int, n_out: int, size: int, *, own: bool, rng: Generator) -> None:
        self.conv = nn.Conv2d(n_in, n_out, size, padding=size // 2, rng=rng)
        mask = np.ones((1, 1, size, size), np.float32)
        mask[:, :, size // 2, size // 2 + own :] = 0
        mask[:, :, size // 2 + 1 :] = 0
        self.mask = Tensor(mask)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.conv.in_channels:
            raise nn.ShapeError(self, f"(N, {self.conv.in_channels}, h, w)", x.shape)
        return ops.conv2d(x, self.conv.weight * self.mask, self.conv.bias, padding=self.conv.padding)

    def at(self, x: Tensor, i: int, j: int) -> Tensor:
        """The result (N, out, 1, 1) at one place, for x (N, in, h, w)."""
        reach, width = self.conv.kernel_size[0] // 2, x.shape[3]
        top, left, right = max(0, i - reach), max(0, j - reach), min(width, j + reach + 1)
        seen = x[:, :, top : i + 1, left:right]
        weight = (self.conv.weight * self.mask)[:, :, reach - i + top : reach + 1, reach - j + left : reach - j + right]
        return ops.conv2d(seen, weight, self.conv.bias)


class MaskedBlock(nn.Module):
    """x + f(x), f with one masked 5x5 convolution between two of 1x1, half as wide.

    Figure 5 of the paper has 3x3. On grids of 7x7 and 8x8 the wider one sees the other end of a stroke, and learns
    faster for the same time.
    """

    def __init__(self, channels: int, *, rng: Generator) -> None:
        half = max(1, channels // 2)
        self.layers = nn.Sequential(
            ops.relu, nn.Conv2d(channels, half, 1, rng=rng),
            ops.relu, MaskedConv2d(half, half, 5, own=True, rng=rng),
            ops.relu, nn.Conv2d(half, channels, 1, rng=rng),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)

    def at(self, x: Tensor, i: int, j: int, seen: Array) -> Tensor:
        """The result (N, channels, 1, 1) at one place, for x (N, channels, 1, 1) there.

        `seen` (N, channels // 2, h, w) remembers, from call to call, what the masked convolution is shown.
        """
        seen[:, :, i : i + 1, j : j + 1] = self.layers[:3](x).data
        return x + self.layers[4:](self.layers[3].at(Tensor(seen), i, j))


class PixelCNN(nn.Module):
    """Entries of a codebook in a grid, (N, D, h, w), to logits (N, K, h, w) for the numbers of all of them.

    The logits of a place depend on entries before it only. On a wide grid not on all of them: masked convolutions miss
    some to the right in the rows above (the blind spot; van den Oord et al. 2016, arXiv:1606.05328, section 2.2), which
    a first layer of 7x7 leaves small on grids of 7x7 and 8x8. `place` (1, channels, h, w) is added after that layer:
    what is likely differs from place to place.
    """

    def __init__(
        self, codes: int, size: int, grid: tuple[int, int], *, channels: int = 128, layers: int = 4, rng: Generator
    ) -> None:
        self.codes, self.grid, self.blocks = codes, grid, layers
        self.first = MaskedConv2d(size, channels, 7, own=False, rng=rng)
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
        """-log p(grid) of each sample, (N,), in nats: entries e (N, D, h, w), their numbers (N, h, w)."""
        logits = ops.reshape(ops.transpose(self(e), (0, 2, 3, 1)), (-1, self.codes))
        each = losses.cross_entropy(logits, Tensor(indices.reshape(-1)), reduction="none")
        return ops.sum(ops.reshape(each, (len(indices), -1)), axis=1)

    def draw(self, n: int, embedding: Array, rng: Generator) -> Array:
        """Numbers (n, h, w) of entries of `embedding` (K, D), drawn place by place, on its device.

        A place changes nothing before it: each layer computes it alone, and remembers those before it.
        """
        xp, (height, width) = array_module(embedding), self.grid
        device = "cpu" if xp is np else "cuda"
        u = to_device(rng.uniform((n, height, width), dtype=np.float64), device)
        indices = xp.zeros((n, height, width), np.int64)
        e = xp.zeros((n, embedding.shape[1], height, width), embedding.dtype)
        half = max(1, self.place.shape[1] // 2)
        seen = [xp.zeros((n, half, height, width), embedding.dtype) for _ in range(self.blocks)]
        with self.evaluation():
            for i in range(height):
                for j in range(width):
                    logits = self.at(e, i, j, seen).data[:, :, 0, 0].astype(np.float64)
                    p = xp.exp(logits - logits.max(1, keepdims=True))
                    total = xp.cumsum(p, axis=1)
                    below = total <= u[:, i, j, None] * total[:, -1:]
                    indices[:, i, j] = xp.minimum(below.sum(1), self.codes - 1)
                    e[:, :, i, j] = embedding[indices[:, i, j]]
        return indices

    def at(self, e: Array, i: int, j: int, seen: list[Array]) -> Tensor:
        """Logits (N, K, 1, 1) of one place of the grid; `seen`: what each block remembers of those before it."""
        x = self.first.at(Tensor(e), i, j) + self.place[:, :, i : i + 1, j : j + 1]
        for block, remembered in zip(self.rest[: self.blocks], seen, strict=True):
            x = block.at(x, i, j, remembered)
        return self.rest[self.blocks :](x)
