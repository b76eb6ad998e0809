"""The likelihoods p(x | z) of an image given its code: Bernoulli and Gaussian.

A decoder gives pre-activations y (N, C, H, W), the parameters of the distribution. All log-likelihoods are in nats per
sample, that is, summed over the pixels of an image, as in the evidence lower bound.

Imports: nn, ops, losses. Read next: ``vae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor

#: The bound of log-variances, above and below: standard deviations from 0.00055 to 1800.
LOGVAR_LIMIT = 15.0


def soft_clamp(logvar: Tensor) -> Tensor:
    """L tanh(logvar / L), L = 15: nearly the identity for small values, and exp of it does not overflow.

    It is smooth; a clip would have gradient 0 outside of its range.
    """
    return ops.tanh(logvar * (1 / LOGVAR_LIMIT)) * LOGVAR_LIMIT


class Bernoulli(nn.Module):
    """Each pixel is 1 with probability sigmoid(y), else 0; log p(x | z) = -cross-entropy.

    For x between 0 and 1 this is the mean of log p over binary images sampled with probabilities x.
    """

    def __init__(self) -> None:
        self.head: Callable[[Tensor], Tensor] = ops.sigmoid

    def nll(self, y: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z), mean over the batch, in nats per sample; y and x (N, C, H, W)."""
        return losses.bce_with_logits(y, x, reduction="batchmean")

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(x | z) (S, N) of S outputs for each image: y (S, N, C, H, W), x (N, C, H, W)."""
        return ops.sum(x * y - ops.softplus(y), axis=(2, 3, 4))


class Gaussian(nn.Module):
    """Each pixel is normal with mean head(y) and one variance for all pixels, fixed or (`learned`) trained.

    The variance determines the weight of reconstruction against KL; a learned one needs no tuning (Rybkin et al. 2021,
    sigma-VAE, arXiv:2006.13202). With variance 1 the nll is half the squared error plus a constant.
    """

    def __init__(self, head: Callable[[Tensor], Tensor], *, variance: float = 1.0, learned: bool = False) -> None:
        if not variance > 0:
            raise ValueError(f"Gaussian: variance must be above 0, got {variance}")
        self.head = head
        start = np.full((), math.log(variance), np.float32)
        self.logvar = nn.Parameter(start) if learned else Tensor(start)
        self.learned = learned

    def log_variance(self) -> Tensor:
        """The logarithm of the variance of a pixel, ()."""
        return soft_clamp(self.logvar) if self.learned else self.logvar

    def nll(self, y: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z), mean over the batch, in nats per sample; y and x (N, C, H, W)."""
        return self._nll(losses.mse(y, x, activation=self.head, reduction="batchmean"), x)

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(x | z) (S, N) of S outputs for each image: y (S, N, C, H, W), x (N, C, H, W)."""
        return -self._nll(ops.sum((self.head(y) - x) ** 2, axis=(2, 3, 4)), x)

    def _nll(self, squared_error: Tensor, x: Tensor) -> Tensor:
        """(|x - mean|^2 / v + D (log v + log 2 pi)) / 2 for images of D pixels."""
        logvar, pixels = self.log_variance(), math.prod(x.shape[1:])
        return (squared_error * ops.exp(-logvar) + (logvar + math.log(2 * math.pi)) * pixels) * 0.5


Likelihood = Bernoulli | Gaussian
