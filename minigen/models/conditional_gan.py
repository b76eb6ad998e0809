"""Discriminators of conditional GANs: one that is told the label, one that says more than a score. Architecture only.

The generator of a conditional GAN is that of any other, given longer codes: noise with the label beside it, one-hot.

Imports: nn, ops, gan. Read next: ``minigen/algorithms/adversarial/conditional.py``.
"""

from __future__ import annotations

from typing import Any

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape
from minigen.models.gan import Discriminator, leaky_relu
from minigen.random import Generator


class LabelledDiscriminator(nn.Module):
    """Images x (N, C, H, W) and labels y (N, K), one-hot, -> scores (N,).

    A dense network sees the label beside the pixels (Mirza and Osindero 2014, arXiv:1411.1784). For a convolutional one
    it is embedded: a linear map makes it one more channel, `plane`. `input_shape` is that of what `body` then sees.
    """

    def __init__(self, body: Discriminator, plane: nn.Dense | None) -> None:
        self.body, self.plane = body, plane

    @staticmethod
    def input_shape(image: ImageShape, classes: int, *, embedded: bool) -> ImageShape:
        """The shape (C, H, W) of an image with its label: another channel, or as many more pixels in a row."""
        c, h, w = image
        return (c + 1, h, w) if embedded else (1, 1, c * h * w + classes)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if len(x) != len(y):
            raise ValueError(f"LabelledDiscriminator: expected a label for each of {len(x)} images, got {len(y)}")
        if self.plane is None:
            return self.body(ops.concat([ops.flatten(x), y], axis=1))
        n, _, h, w = x.shape
        return self.body(ops.concat([x, ops.reshape(self.plane(y), (n, 1, h, w))], axis=1))


def with_labels(body: Discriminator, image: ImageShape, classes: int, *, embedded: bool, rng: Generator) -> nn.Module:
    """`body`, made for images of the shape `LabelledDiscriminator.input_shape`, as a `LabelledDiscriminator`."""
    plane = None
    if embedded:
        plane = nn.Dense(classes, image[1] * image[2], weight_init=nn.init.glorot_uniform, rng=rng)
    return LabelledDiscriminator(body, plane)


class AuxiliaryDiscriminator(nn.Module):
    """x (N, C, H, W) -> rows (N, 1 + M): the score, and what a second layer, `head`, reads off the same features."""

    def __init__(self, body: Discriminator, head: nn.Module) -> None:
        self.features, self.score, self.head = body.features, body.score, head

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(x)
        return ops.concat([self.score(features), self.head(features)], axis=1)


def add_head(body: Discriminator, outputs: int, *, hidden: int | None = None, rng: Generator) -> AuxiliaryDiscriminator:
    """`body` with a head of so many outputs, linear or with a `hidden` layer of that width."""
    score = body.score.layer if isinstance(body.score, nn.SpectralNorm) else body.score
    if not isinstance(score, nn.Dense):
        raise TypeError(f"add_head: expected a discriminator whose score is a Dense layer, got {score!r}")
    size = score.in_features
    first: list[Any] = []
    if hidden is not None:
        first = [nn.Dense(size, hidden, weight_init=nn.init.he_normal, rng=rng), leaky_relu]
    last = nn.Dense(hidden or size, outputs, weight_init=nn.init.normal, rng=rng)  # it begins knowing next to nothing
    return AuxiliaryDiscriminator(body, nn.Sequential(*first, last))
