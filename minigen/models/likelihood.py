"""What a decoder's output says about pixels: the distribution p(x | z) of an image, given the code that it was made of.

A decoder gives pre-activations y (N, C, H, W); `Bernoulli` and `Gaussian` turn them into likelihoods. All are in nats
per sample: the sum over the pixels of an image, as the evidence bound wants it.

Imports: nn, ops, losses. Read next: ``vae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor

#: Log-variances lie between plus and minus this: standard deviations from 0.00055 to 1800.
LOGVAR_LIMIT = 15.0


def bounded(logvar: Tensor) -> Tensor:
    """L tanh(logvar / L), L = 15: nearly `logvar` where it is small, and never so large that exp overflows.

    Smooth, so every derivative is that of a function; a clip would have no gradient where it acts.
    """
    return ops.tanh(logvar * (1 / LOGVAR_LIMIT)) * LOGVAR_LIMIT


class Bernoulli(nn.Module):
    """Each pixel is 1 with probability sigmoid(y), else 0; log p(x | z) = -cross-entropy.

    For grey x between 0 and 1 this is the mean of log p over black-and-white images drawn with probabilities x.
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
    """Each pixel is normal around head(y) with one variance for all, which is given or, with `learned`, trained.

    Learned, the variance weighs reconstruction against divergence by itself, where a given one (1 makes it half the
    squared error) is a guess (Rybkin et al. 2021, sigma-VAE, arXiv:2006.13202).
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
        return bounded(self.logvar) if self.learned else self.logvar

    def nll(self, y: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z), mean over the batch, in nats per sample; y and x (N, C, H, W)."""
        return self._nll(losses.mse(self.head(y), x, reduction="batchmean"), x)

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(x | z) (S, N) of S outputs for each image: y (S, N, C, H, W), x (N, C, H, W)."""
        return -self._nll(ops.sum((self.head(y) - x) ** 2, axis=(2, 3, 4)), x)

    def _nll(self, squared_error: Tensor, x: Tensor) -> Tensor:
        """(|x - mean|^2 / v + D (log v + log 2 pi)) / 2 for images of D pixels."""
        logvar, pixels = self.log_variance(), math.prod(x.shape[1:])
        return (squared_error * ops.exp(-logvar) + (logvar + math.log(2 * math.pi)) * pixels) * 0.5


Likelihood = Bernoulli | Gaussian
