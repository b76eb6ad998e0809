"""The VQ-VAE: a code is a grid of indices into a codebook. Architecture only.

The encoder gives a vector for each position of a small grid, the codebook replaces it by its nearest entry, and the
decoder's input are these entries (van den Oord, Vinyals and Kavukcuoglu 2017, arXiv:1711.00937). To sample images, the
grid needs a prior: ``pixel_cnn.py``.

Imports: nn, ops, autoencoder, likelihood. Read next: ``pixel_cnn.py``; for the loss
``minigen/algorithms/likelihood/vq_vae.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor, note_change
from minigen.device import array_module
from minigen.models.autoencoder import Autoencoder, ImageShape, strided_conv, transposed_conv
from minigen.models.likelihood import Likelihood
from minigen.models.sizes import Halving, halve
from minigen.ops.linalg import gemm
from minigen.random import Generator
from minigen_kernels import Array

Total = Callable[[Sequence[Array]], Sequence[Array]]  # sums of arrays over the parts of a batch
#: The initial value of `unused`, in updates: more than any `after` of `restart_unused`.
NEVER_USED = 2**30
#: `ema_update` leaves an entry with a smaller average count per update as it is.
MIN_COUNT = 1e-6


class VQVAE(Autoencoder):
    """x (N, C, H, W) -> z (N, D, h, w); entries (N, D, h, w) -> pre-activations (N, C, H, W) -> p(x | entries).

    The encoder and the decoder; the `Codebook` is separate.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood) -> None:
        super().__init__(encoder, decoder, likelihood.head)
        self.likelihood = likelihood


class Codebook(nn.Module):
    """K entries of D numbers, `embedding` (K, D).

    With `decay` they are buffers: `ema_update` makes each the moving average of the vectors that chose it. Without,
    they are a parameter, trained by `codebook_loss`. `unused` (K,) counts updates since an entry was last chosen.
    """

    def __init__(self, codes: int, size: int, *, decay: float | None = None, rng: Generator) -> None:
        self.codes, self.size, self.decay = codes, size, decay
        start = rng.normal((codes, size), std=0.1)
        self.embedding = nn.Parameter(start) if decay is None else Tensor(start)
        if decay is not None:
            self.counts, self.sums = Tensor(np.ones(codes, np.float32)), Tensor(start.copy())
        self.unused = Tensor(np.full(codes, NEVER_USED, np.int32))

    def nearest(self, z: Array) -> Array:
        """The index of the entry nearest to each vector of z (N, D, h, w): (N, h, w) int64 (equation 1).

        |z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for all entries: one matrix product. Ties give
        the first entry.
        """
        if z.ndim != 4 or z.shape[1] != self.size:
            raise nn.ShapeError(self, f"(N, {self.size}, h, w)", z.shape)
        e = self.embedding.data
        distances = (e * e).sum(1) - 2 * gemm(grid_vectors(z), e.T)
        nearest: Array = distances.argmin(1).reshape(z.shape[0], *z.shape[2:])
        return nearest

    def embed(self, indices: Array) -> Tensor:
        """Look up the entries: indices (N, h, w) -> (N, D, h, w), as constants."""
        xp = array_module(indices)
        return Tensor(xp.ascontiguousarray(xp.moveaxis(self.embedding.data[indices], -1, 1)))

    def codebook_loss(self, z: Tensor, indices: Array) -> Tensor:
        """|sg[z] - e|^2 (equation 3, second term), summed over the grid, mean over N. It trains the entries.

        sg[.] is the stop-gradient operator.
        """
        chosen = ops.matmul(Tensor(self._one_hot(indices)), self.embedding)  # exact, as all other products are 0
        return losses.mse(chosen, Tensor(grid_vectors(z.data)), reduction="sum") / z.shape[0]

    def ema_update(self, z: Array, indices: Array, *, total: Total = list) -> None:
        """Make each entry the EMA of the vectors of z (N, D, h, w) that chose it (appendix A.1, equations 6-8).

        With the counts n and sums s of this batch: N <- g N + (1 - g) n, m <- g m + (1 - g) s, e = m / N. Where z is a
        part of the batch, `total` makes of the n and s of the parts those of the whole.
        """
        if self.decay is None:
            raise ValueError("Codebook.ema_update: this codebook is trained by its gradient; it has no decay")
        xp, keep, new = array_module(z), self.decay, 1 - self.decay
        choices = self._one_hot(indices)
        chosen, summed = total([choices.sum(0), gemm(choices.T, grid_vectors(z))])
        counts = self.counts.data * keep + chosen * new
        sums = self.sums.data * keep + summed * new
        means = sums / xp.maximum(counts, MIN_COUNT)[:, None]
        self.counts.data, self.sums.data = counts, sums
        self.embedding.data = xp.where((counts > MIN_COUNT)[:, None], means, self.embedding.data)
        for t in (self.counts, self.sums, self.embedding):
            note_change(t)

    def restart_unused(
        self,
        z: Array,
        indices: Array,
        *,
        after: int,
        rng: Generator,
        total: Total = list,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        """Set entries that were not chosen for `after` updates to random vectors of z (random restarts).

        Entries that were never chosen count as unused, so that the first batch initialises the codebook with outputs of
        the encoder. `after` 0: only count. Otherwise entries with a bad initial value would never be chosen, and so
        never updated. Where z is part i of n of the batch, `part` (i, n), each part gives every n-th entry.
        """
        (i, n), xp = part, array_module(z)
        used = self._one_hot(indices).any(0)
        if n > 1:
            used = total([used.astype(self.embedding.dtype)])[0] > 0
        unused = xp.where(used, 0, xp.minimum(self.unused.data, NEVER_USED) + 1).astype(np.int32)
        if after:
            vectors = grid_vectors(z)
            drawn = vectors[rng.integers(0, len(vectors), (self.codes,))]
            if n > 1:
                mine = xp.arange(self.codes)[:, None] % n == i
                drawn = total([xp.where(mine, drawn, drawn.dtype.type(0))])[0]
            dead = unused >= after
            self.embedding.data = xp.where(dead[:, None], drawn, self.embedding.data)
            unused = xp.where(dead, 0, unused)
            note_change(self.embedding)
            if self.decay is not None:
                self.counts.data = xp.where(dead, self.counts.data.dtype.type(1), self.counts.data)
                self.sums.data = xp.where(dead[:, None], drawn, self.sums.data)
        self.unused.data = unused

    def usage(self, indices: Array) -> Array:
        """The number of times that each entry is chosen: (K,) in the dtype of the entries."""
        counts: Array = self._one_hot(indices).sum(0)
        return counts

    def _one_hot(self, indices: Array) -> Array:
        """The indices as one-hot rows (N h w, K), for matrix products, which need no atomics."""
        xp = array_module(indices)
        return (indices.reshape(-1, 1) == xp.arange(self.codes)).astype(self.embedding.dtype)


def straight_through(z: Tensor, e: Tensor) -> Tensor:
    """The straight-through estimator: the value of `e`, the gradient of `z` (section 3.2).

    It is made of operations, so that derivatives of every order are those of the identity.
    """
    return e.detach() + (z - z.detach())


def perplexity(usage: Array) -> Tensor:
    """exp of the entropy of the usage (K,), from 1 to K: the effective number of entries."""
    xp = array_module(usage)
    share = usage / xp.maximum(usage.sum(), 1)
    return Tensor(xp.exp(-(share * xp.log(xp.maximum(share, 1e-30))).sum()).astype(usage.dtype))


def grid_vectors(z: Array) -> Array:
    """The vectors of a grid (N, D, h, w), as rows (N h w, D)."""
    xp = array_module(z)
    vectors: Array = xp.ascontiguousarray(xp.moveaxis(z, 1, -1)).reshape(-1, z.shape[1])
    return vectors


class ResidualBlock(nn.Module):
    """x + f(x), f: ReLU, 3x3 convolution to `hidden` channels, ReLU, 1x1 convolution. (N, C, H, W) stays as it is."""

    def __init__(self, channels: int, hidden: int, *, rng: Generator) -> None:
        self.layers = nn.Sequential(
            ops.relu, nn.Conv2d(channels, hidden, 3, padding=1, rng=rng),
            ops.relu, nn.Conv2d(hidden, channels, 1, rng=rng),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def grid_shape(image: ImageShape) -> tuple[int, int]:
    """Height and width of the grid of codes of an image (C, H, W): a quarter of its sides, which are 4 or more."""
    return _steps(image)[-1].after


def _steps(image: ImageShape) -> list[Halving]:
    return halve(image, 4, 2, "use 'vae', which takes any size")


def convolutional(
    image: ImageShape, likelihood: Likelihood, *, channels: int = 32, layers: int = 2, latent: int = 16, rng: Generator
) -> VQVAE:
    """Two 4x4 convolutions with stride 2 (`channels`, twice as many), `layers` residual blocks; a mirrored decoder.

    D is `latent`. The network of the paper (section 4.1) is wider: 256 channels throughout.
    """
    (n, *_), wide, (first, second) = image, 2 * channels, _steps(image)
    encoder = nn.Sequential(
        strided_conv(n, channels, 4, first, rng), ops.relu,
        strided_conv(channels, wide, 4, second, rng),
        *(ResidualBlock(wide, channels, rng=rng) for _ in range(layers)), ops.relu,
        nn.Conv2d(wide, latent, 1, rng=rng),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(latent, wide, 3, padding=1, rng=rng),
        *(ResidualBlock(wide, channels, rng=rng) for _ in range(layers)), ops.relu,
        transposed_conv(wide, channels, 4, second, rng), ops.relu,
        transposed_conv(channels, n, 4, first, rng),
    )  # fmt: skip
    return VQVAE(encoder, decoder, likelihood)
