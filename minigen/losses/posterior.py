"""A draw from the Gaussian that an encoder describes, together with its divergence from N(0, 1): see `draw_posterior`.

Imports: autograd, ops, divergence, random, kernels. Read next: ``minigen/models/vae.py``, which calls it.
"""

from __future__ import annotations

from typing import Any

from minigen import ops
from minigen.autograd import FusedPair, Tensor
from minigen.device import array_module
from minigen.losses.divergence import GaussianKlSum
from minigen.random import Generator
from minigen_kernels import Array, for_array


class PosteriorSample(FusedPair):
    """z and its divergence from the results of two linear layers, their biases, and the key of a draw."""

    one_dtype = True
    limit: float
    key: tuple[int, int, int]  # seed, stream and position of the noise
    scale: float
    kept: tuple[Array, Array, Array]  # mean, tanh and noise; saved by forward

    def forward(self, m: Array, v: Array, b_mean: Array, b_logvar: Array) -> Array:
        sample = for_array(m).posterior_sample
        z, self.second, *kept = sample(m, v, b_mean, b_logvar, self.limit, *self.key, self.scale)
        self.kept = kept[0], kept[1], kept[2]
        return z

    def backward_arrays(self, gz: Array, z: Array, gkl: Array | None = None) -> tuple[Array, ...]:
        if gkl is None:
            gkl = array_module(z).zeros_like(self.second)  # not times 0: the divergence may be infinite
        return for_array(z).posterior_sample_backward(gz, gkl, *self.kept, self.limit, self.scale)

    def definition(self, m: Tensor, v: Tensor, b_mean: Tensor, b_logvar: Tensor) -> Any:
        mean, logvar = m + b_mean, ops.tanh((v + b_logvar) * (1 / self.limit)) * self.limit
        z = ops.reparameterize(mean, logvar, Tensor(self.kept[2]))
        return z, GaussianKlSum.apply(mean, logvar, scale=self.scale)


def draw_posterior(
    m: Tensor, v: Tensor, b_mean: Tensor, b_logvar: Tensor, *, limit: float, noise: Generator
) -> tuple[Tensor, Tensor]:
    """A draw z (N, D) of N(mean, exp(logvar)), and its divergence KL from N(0, 1), nats, the mean over the batch.

    mean = m + b_mean and logvar = limit tanh((v + b_logvar) / limit), for m and v (N, D), biases (D,): the results of
    two linear layers. The same as bias, bound, `ops.reparameterize` of ``noise.normal`` and `gaussian_kl`, in one pass.
    """
    if not len(m):
        raise ValueError("draw_posterior: the batch is empty, so the divergence has no mean")
    key = noise.normal_key(m.size, m.dtype)
    return PosteriorSample.pair(m, v, b_mean, b_logvar, limit=limit, key=key, scale=1.0 / len(m))
