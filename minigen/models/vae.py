"""Variational autoencoders: the encoder gives a distribution over codes. Architecture only.

q(z | x) = N(mean(x), exp(logvar(x))) is the output of the encoder, p(z) = N(0, 1) the prior, and p(x | z) is in
``likelihood.py`` (Kingma and Welling 2014, arXiv:1312.6114; Rezende et al. 2014, arXiv:1401.4082).

Imports: nn, ops, losses. Read next: ``minigen/algorithms/likelihood/vae.py`` for the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

import numpy as np

from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.device import array_module, device_of
from minigen.losses.posterior import draw_posterior
from minigen.models.autoencoder import Autoencoder, ImageShape, dense_layers, strided_conv, transposed_conv
from minigen.models.likelihood import LOGVAR_LIMIT, Likelihood, soft_clamp
from minigen.models.sizes import halve
from minigen.random import Generator
from minigen_kernels import Array

Activation = Callable[[Tensor], Tensor]


class VAE(Autoencoder):
    """x (N, C, H, W) -> features -> mean, logvar (N, D); z (N, D) -> pre-activations (N, C, H, W) -> p(x | z).

    `encode` gives the mean. With `classes` K it is conditional: the methods need labels as one-hot rows y (N, K), which
    are concatenated with the pixels and with the code (Sohn et al. 2015, "Learning structured output representation
    using deep conditional generative models").
    """

    def __init__(
        self,
        encoder: nn.Module,
        mean: nn.Module,
        logvar: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        *,
        latent: int,
        classes: int = 0,
    ) -> None:
        super().__init__(encoder, decoder, likelihood.head)
        self.mean, self.logvar, self.likelihood = mean, logvar, likelihood
        self.latent, self.classes = latent, classes

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (with `soft_clamp`), each (N, D), of q(z | x) for images (N, C, H, W)."""
        features = self._features(x, y)
        return self.call_submodule(self.mean, features), soft_clamp(self.call_submodule(self.logvar, features))

    def draw(self, x: Tensor, noise: Generator, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A draw z (N, D) from q(z | x), as a function of its parameters, and the divergence KL(q(z | x) || p(z)).

        The divergence is the mean over the batch, in nats per sample. The noise is ``noise.normal((N, D))``.
        """
        if type(self).posterior is VAE.posterior and _is_plain(self.mean) and _is_plain(self.logvar):
            features = self._features(x, y)
            m, v = (ops.linear(features, head.weight) for head in (self.mean, self.logvar))
            return draw_posterior(m, v, self.mean.bias, self.logvar.bias, limit=LOGVAR_LIMIT, noise=noise)
        mean, logvar = self.posterior(x, y)
        z = ops.reparameterize(mean, logvar, Tensor(noise.normal(mean.shape, dtype=mean.dtype)))
        return z, losses.gaussian_kl(mean, logvar)

    def _features(self, x: Tensor, y: Tensor | None) -> Any:
        """What the encoder makes of images, and of labels if the model is conditional."""
        inputs = x - self.centre
        if self.classes:
            inputs = self._concat_labels(ops.flatten(inputs), y)
        return self.call_submodule(self.encoder, inputs)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of q(z | x), (N, D)."""
        return self.posterior(x, y)[0]

    def logits(self, code: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (N, D) to images (N, C, H, W) before the head."""
        return self.call_submodule(self.decoder, self._concat_labels(code, y) if self.classes else code)

    def decode(self, code: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (N, D) to images (N, C, H, W)."""
        return self.head(self.logits(code, y))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x, y), y)

    @property
    def noise_size(self) -> int:
        """The dimension of the noise for `log_weights`."""
        return self.latent

    def log_weights(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """log p(x | z) and log p(z) - log q(z | x), each (S, N), at z = mean + exp(logvar / 2) noise.

        x (N, C, H, W), noise (S, N, D). Their sum is log w, an importance weight: the mean of w over z ~ q is p(x). So
        the log of a mean of k weights is, in expectation, a lower bound of log p(x) that rises with k (Burda et al.
        2016, arXiv:1509.00519, theorem 1). Nats per sample.
        """
        mean, logvar = self.posterior(x, y)
        z = mean + ops.exp(logvar * 0.5) * noise
        samples = z.shape[0]
        flat = ops.reshape(z, (-1, self.latent))
        if y is not None:
            y = ops.reshape(ops.broadcast_to(y, (samples, *y.shape)), (-1, y.shape[1]))
        outputs = ops.reshape(self.logits(flat, y), (samples, *x.shape))
        log_ratio = ops.sum(noise * noise + logvar - z * z, axis=2) * 0.5  # the terms with log(2 pi) cancel
        return self.likelihood.log_prob(outputs, x), log_ratio

    def divergences(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """KL(q(z_j | x) || p(z_j)) of each dimension of the code, (N, D), in nats."""
        return losses.gaussian_kl(*self.posterior(x, y), reduction="none")

    def _concat_labels(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Rows x (N, D) concatenated with the labels, (N, D + K)."""
        if y is None or y.shape != (len(x), self.classes):
            got = "none" if y is None else f"shape {y.shape}"
            raise ValueError(f"VAE: expected labels as one-hot rows ({len(x)}, {self.classes}), got {got}")
        return ops.concat([x, y], axis=1)


def _is_plain(head: nn.Module) -> TypeGuard[_Head]:
    """Whether a head is a dense layer with a bias, and with the `forward` that is written there."""
    return type(head) is nn.Dense and "forward" not in vars(head) and head.bias is not None


class _Head(Protocol):
    weight: Tensor
    bias: Tensor


def one_hot(labels: Any, classes: int) -> Array:
    """Labels (N,), whole numbers from 0 to classes - 1, as float32 rows (N, classes) with a 1 at the label.

    The rows are where the labels are. Of labels on a GPU the values are not looked at, which would wait for the device:
    one that is no class gives a row of zeros.
    """
    xp = array_module(labels)
    labels = xp.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ValueError(f"one_hot: expected whole numbers (N,), got {labels.dtype} {labels.shape}")
    if device_of(labels) == "cuda":
        rows: Array = (labels[:, None] == xp.arange(classes)).astype(np.float32)
        return rows
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"one_hot: labels must be from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    rows = xp.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def dense(
    image: ImageShape,
    likelihood: Likelihood,
    *,
    hidden: tuple[int, ...] = (400,),
    latent: int = 20,
    classes: int = 0,
    activation: Activation = ops.relu,
    rng: Generator,
) -> VAE:
    """Dense layers of the widths `hidden` from image to code, and of the same widths in reverse back to the image.

    Without hidden layers both ways are linear. Tanh layers are initialised as in Glorot and Bengio 2010, others as in
    PyTorch (uniform by fan-in): no other rule gave a lower loss after short runs (``docs/results.md``, first weights).
    """
    pixels = math.prod(image)
    weight_init = nn.init.glorot_uniform if activation is ops.tanh else None
    down, up = (pixels + classes, *hidden), (latent + classes, *hidden[::-1])
    encoder = nn.Sequential(nn.Flatten(), *dense_layers(down, activation, weight_init, rng))
    mean, logvar = (nn.Dense(down[-1], latent, weight_init=weight_init, rng=rng) for _ in range(2))
    decoder = nn.Sequential(
        *dense_layers(up, activation, weight_init, rng),
        nn.Dense(up[-1], pixels, weight_init=weight_init, rng=rng),
        nn.Reshape(image),
    )
    return VAE(encoder, mean, logvar, decoder, likelihood, latent=latent, classes=classes)


def convolutional(
    image: ImageShape,
    likelihood: Likelihood,
    *,
    channels: int = 32,
    hidden: tuple[int, ...] = (256,),
    latent: int = 20,
    halvings: int = 2,
    rng: Generator,
) -> VAE:
    """4x4 convolutions with stride 2 (`channels`, then twice as many), dense layers `hidden`; a mirrored decoder.

    The kernel is a multiple of the stride, which avoids checkerboard artifacts (Odena et al. 2016,
    "Deconvolution and checkerboard artifacts"). `halvings` as in ``sizes.py``. Sides from 4.
    """
    steps = halve(image, 4, halvings, "use 'vae', which takes any size")
    widths = [image[0], *(channels * 2**i for i in range(len(steps)))]  # from the image to the smallest feature map
    small = (widths[-1], *steps[-1].after)
    down = (math.prod(small), *hidden)
    encoder = nn.Sequential(
        *(layer for step, n_in, n_out in zip(steps, widths, widths[1:])
          for layer in (strided_conv(n_in, n_out, 4, step, rng), ops.relu)),
        nn.Flatten(), *dense_layers(down, ops.relu, None, rng),
    )  # fmt: skip
    up: list[Any] = []
    first = dense_layers((latent, *down[::-1]), ops.relu, None, rng)
    for step, n_out, n_in in zip(steps[::-1], widths[-2::-1], widths[::-1]):
        up += [transposed_conv(n_in, n_out, 4, step, rng), ops.relu]
    decoder = nn.Sequential(*first, nn.Reshape(small), *up[:-1])
    mean, logvar = (nn.Dense(down[-1], latent, rng=rng) for _ in range(2))
    return VAE(encoder, mean, logvar, decoder, likelihood, latent=latent)
