"""A VAE with two layers of codes, z2 -> z1 -> image, and an encoder image -> z1 -> z2. Architecture only.

Imports: nn, ops, vae. Read next: ``minigen/algorithms/likelihood/iwae.py``.
"""

from __future__ import annotations

import math

from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape, dense_layers
from minigen.models.likelihood import Likelihood, soft_clamp
from minigen.models.vae import VAE
from minigen.random import Generator


class GaussianLayer(nn.Module):
    """Tanh layers, then mean and log-variance (`soft_clamp`) of a normal: (..., n_in) -> two of (..., n)."""

    def __init__(self, n_in: int, hidden: tuple[int, ...], n_out: int, *, rng: Generator) -> None:
        glorot, widths = nn.init.glorot_uniform, (n_in, *hidden)
        self.body = nn.Sequential(*dense_layers(widths, ops.tanh, glorot, rng))
        self.mean, self.logvar = (nn.Dense(widths[-1], n_out, weight_init=glorot, rng=rng) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        return self.mean(features), soft_clamp(self.logvar(features))


class TwoLayerVAE(VAE):
    """p(z2) = N(0, 1), p(z1 | z2) and p(x | z1); q(z1 | x), as the `VAE` has it, and q(z2 | z1) (Burda et al. 2016).

    Its code (N, D1 + D2) is the noise from which the model samples z1 (first part) and z2. So the prior of the code is
    N(0, 1), and `decode` of such a code is an exact sample of p.
    """

    def __init__(
        self,
        encoder: nn.Module,
        mean: nn.Module,
        logvar: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        *,
        upper: GaussianLayer,
        prior: GaussianLayer,
        latent: tuple[int, int],
    ) -> None:
        super().__init__(encoder, mean, logvar, decoder, likelihood, latent=latent[0])
        self.upper, self.prior, self.upper_latent = upper, prior, latent[1]

    @property
    def noise_size(self) -> int:
        """D1 + D2."""
        return self.latent + self.upper_latent

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The code for z1 = mean of q(z1 | x) and z2 = mean of q(z2 | z1)."""
        z1, _ = self.posterior(x)
        z2, _ = self.upper(z1)
        mean, logvar = self.prior(z2)
        return ops.concat([(z1 - mean) * ops.exp(-logvar * 0.5), z2], axis=1)

    def logits(self, code: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (N, D1 + D2) to images (N, C, H, W) before the head."""
        mean, logvar = self.prior(code[:, self.latent :])
        return super().logits(ops.reparameterize(mean, logvar, code[:, : self.latent]))

    def log_weights(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """log p(x | z1) and log p(z1 | z2) p(z2) - log q(z1 | x) q(z2 | z1), each (S, N); noise (S, N, D1 + D2)."""
        noise1, noise2 = noise[:, :, : self.latent], noise[:, :, self.latent :]
        mean1, logvar1 = self.posterior(x)
        z1 = mean1 + ops.exp(logvar1 * 0.5) * noise1
        mean2, logvar2 = self.upper(z1)
        z2 = ops.reparameterize(mean2, logvar2, noise2)
        mean, logvar = self.prior(z2)
        # log N(a; m, v) = -(log v + (a - m)^2 / v + log 2 pi) / 2; the last term cancels between p and q.
        layer1 = noise1 * noise1 + logvar1 - (z1 - mean) ** 2 * ops.exp(-logvar) - logvar
        layer2 = noise2 * noise2 + logvar2 - z2 * z2
        log_ratio = (ops.sum(layer1, axis=2) + ops.sum(layer2, axis=2)) * 0.5
        outputs = ops.reshape(super().logits(ops.reshape(z1, (-1, self.latent))), (len(noise), *x.shape))
        return self.likelihood.log_prob(outputs, x), log_ratio

    def divergences(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """KL(q || p) of each dimension (N, D1 + D2) in nats, with z1 and z2 at the means of their posteriors."""
        mean1, logvar1 = self.posterior(x)
        mean2, logvar2 = self.upper(mean1)
        mean, logvar = self.prior(mean2)
        from_prior = losses.gaussian_kl_between(mean1, logvar1, mean, logvar, reduction="none")
        return ops.concat([from_prior, losses.gaussian_kl(mean2, logvar2, reduction="none")], axis=1)


def two_layers(
    image: ImageShape, likelihood: Likelihood, *, hidden: tuple[int, ...] = (200, 200), latent: int = 50, rng: Generator
) -> TwoLayerVAE:
    """784-200-200-100-100-100-50 and back, tanh: z1 has twice as many dimensions as z2 (`latent`).

    Layers of the widths `hidden` stand between image and z1, as many of half that width between z1 and z2 (Burda et al.
    2016, section 5.1).
    """
    pixels, lower, narrow = math.prod(image), 2 * latent, tuple(max(1, width // 2) for width in hidden)
    glorot, down, up = nn.init.glorot_uniform, (pixels, *hidden), (lower, *hidden[::-1])
    encoder = nn.Sequential(nn.Flatten(), *dense_layers(down, ops.tanh, glorot, rng))
    decoder = nn.Sequential(
        *dense_layers(up, ops.tanh, glorot, rng),
        nn.Dense(up[-1], pixels, weight_init=glorot, rng=rng),
        nn.Reshape(image),
    )
    mean, logvar = (nn.Dense(down[-1], lower, weight_init=glorot, rng=rng) for _ in range(2))
    return TwoLayerVAE(
        encoder,
        mean,
        logvar,
        decoder,
        likelihood,
        upper=GaussianLayer(lower, narrow, latent, rng=rng),
        prior=GaussianLayer(latent, narrow, lower, rng=rng),
        latent=(lower, latent),
    )
