"""Discriminators of conditional GANs: with the label as input, or with an auxiliary output. Architecture only.

The generator is that of any GAN, with longer codes: noise concatenated with the one-hot label.

Imports: nn, ops, gan. Read next: ``minigen/algorithms/adversarial/conditional.py``.
"""

from __future__ import annotations

from typing import Any

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape
from minigen.models.gan import Discriminator, leaky_relu
from minigen.random import Generator


class ConditionalDiscriminator(nn.Module):
    """Images x (N, C, H, W) and labels y (N, K), one-hot, -> scores (N,).

    For a dense network the label is concatenated with the pixels (Mirza and Osindero 2014, arXiv:1411.1784). For a
    convolutional one it is embedded: a linear layer, `plane`, maps it to one more channel.
    """

    def __init__(self, body: Discriminator, plane: nn.Dense | None) -> None:
        self.body, self.plane = body, plane

    @staticmethod
    def input_shape(image: ImageShape, classes: int, *, embedded: bool) -> ImageShape:
        """The input shape (C, H, W) of `body`: one more channel, or a row of pixels and label."""
        c, h, w = image
        return (c + 1, h, w) if embedded else (1, 1, c * h * w + classes)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if len(x) != len(y):
            raise ValueError(f"ConditionalDiscriminator: expected a label for each of {len(x)} images, got {len(y)}")
        if self.plane is None:
            return self.body(ops.concat([ops.flatten(x), y], axis=1))
        n, _, h, w = x.shape
        return self.body(ops.concat([x, ops.reshape(self.plane(y), (n, 1, h, w))], axis=1))


def with_labels(body: Discriminator, image: ImageShape, classes: int, *, embedded: bool, rng: Generator) -> nn.Module:
    """A `ConditionalDiscriminator`; `body` takes images of the shape `ConditionalDiscriminator.input_shape`."""
    plane = None
    if embedded:
        plane = nn.Dense(classes, image[1] * image[2], weight_init=nn.init.glorot_uniform, rng=rng)
    return ConditionalDiscriminator(body, plane)


class AuxiliaryDiscriminator(nn.Module):
    """x (N, C, H, W) -> rows (N, 1 + M): the score, and the output of `head`, which has the same features as input."""

    def __init__(self, body: Discriminator, head: nn.Module) -> None:
        self.features, self.score, self.head = body.features, body.score, head

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(x)
        return ops.concat([self.score(features), self.head(features)], axis=1)


def add_head(body: Discriminator, outputs: int, *, hidden: int | None = None, rng: Generator) -> AuxiliaryDiscriminator:
    """`body` with a second head of `outputs` units: linear, or with a hidden layer of width `hidden`."""
    score = body.score.layer if isinstance(body.score, nn.SpectralNorm) else body.score
    if not isinstance(score, nn.Dense):
        raise TypeError(f"add_head: expected a discriminator whose score is a Dense layer, got {score!r}")
    size = score.in_features
    first: list[Any] = []
    if hidden is not None:
        first = [nn.Dense(size, hidden, weight_init=nn.init.he_normal, rng=rng), leaky_relu]
    last = nn.Dense(hidden or size, outputs, weight_init=nn.init.normal, rng=rng)  # small initial outputs
    return AuxiliaryDiscriminator(body, nn.Sequential(*first, last))
