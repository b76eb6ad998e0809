"""The layers of `nn`, each with its cases: in training and in evaluation, where that makes a difference.

Imports: nn, ops, autograd. Read next: ``losses.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.inventory.cases import Item, arrays, distinct, layer, normal, normal_away_from, positive
from minigen.inventory.operations import unpool_inputs
from minigen.random import Generator
from minigen_kernels import Array


def batch_norm_in_evaluation(rng: Generator) -> nn.Module:
    """Batch norm in evaluation mode, with running statistics other than the initial ones."""
    norm = nn.BatchNorm(3)
    norm.running_mean.data, norm.running_var.data = rng.normal((3,)), rng.uniform((3,)) + np.float32(0.5)
    return norm.eval()


def network(rng: Generator) -> nn.Module:
    """A small network of several kinds of layers, with an activation that is fused with its layer."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, rng=rng), nn.BatchNorm(3), ops.silu, nn.AvgPool2d(2), nn.Flatten(),
        nn.Dense(12, 4, rng=rng), ops.tanh, nn.Dense(4, 2, rng=rng),
    )  # fmt: skip


def pooled_and_enlarged(rng: Generator) -> nn.Module:
    """Convolutions whose bias, activation and change of size are fused."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, rng=rng), ops.tanh, nn.MaxPool2d(2),
        nn.Conv2d(3, 2, 2, padding=1, rng=rng), ops.sigmoid, nn.Upsample(2),
    )  # fmt: skip


class WithReplacedWeights(nn.Module):
    """A network with one of its weights replaced: differentiable in that."""

    def __init__(self, rng: Generator) -> None:
        self.network = nn.Sequential(nn.Dense(4, 3, bias=False, rng=rng), ops.tanh)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y: Tensor = nn.functional_copy(self.network, {"0.weight": w})(x)
        return y


def indices(rng: np.random.Generator) -> tuple[Array]:
    """Eight whole numbers below 5, so that some occur twice."""
    return (rng.integers(0, 5, (2, 4)),)


IMAGE, SEQUENCE = (2, 4, 6, 5), (2, 4, 6)

LAYERS = (
    Item("nn.Dense", (
        layer(lambda rng: nn.Dense(4, 3, rng=rng), arrays(normal, (5, 4))),
        layer(lambda rng: nn.Dense(4, 3, bias=False, rng=rng), arrays(normal, (2, 3, 4))),
    )),
    Item("nn.Conv2d", (
        layer(lambda rng: nn.Conv2d(4, 3, (3, 2), rng=rng), arrays(normal, IMAGE)),
        layer(lambda rng: nn.Conv2d(4, 6, 3, stride=2, padding="same", groups=2, rng=rng), arrays(normal, IMAGE)),
    )),
    Item("nn.ConvTranspose2d", (
        layer(lambda rng: nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, rng=rng),
              arrays(normal, (2, 4, 3, 2))),
        layer(lambda rng: nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False, dilation=2, rng=rng),
              arrays(normal, (2, 4, 3, 2))),
    )),
    Item("nn.Conv1d", (
        layer(lambda rng: nn.Conv1d(4, 3, 3, rng=rng), arrays(normal, SEQUENCE)),
        layer(lambda rng: nn.Conv1d(4, 6, 3, stride=2, padding="same", groups=2, rng=rng), arrays(normal, SEQUENCE)),
    )),
    Item("nn.ConvTranspose1d", (
        layer(lambda rng: nn.ConvTranspose1d(4, 3, 3, stride=2, padding=1, output_padding=1, rng=rng),
              arrays(normal, (2, 4, 3))),
        layer(lambda rng: nn.ConvTranspose1d(4, 6, 2, groups=2, bias=False, dilation=2, rng=rng),
              arrays(normal, (2, 4, 3))),
    )),
    Item("nn.BatchNorm", (
        layer(lambda rng: nn.BatchNorm(3), arrays(distinct, (4, 3))),
        layer(lambda rng: nn.BatchNorm(2), arrays(distinct, (2, 2, 3, 2))),
        layer(lambda rng: nn.BatchNorm(2), arrays(distinct, (2, 2, 3))),
        layer(batch_norm_in_evaluation, arrays(normal, (4, 3))),
    )),
    Item("nn.GroupNorm", (
        layer(lambda rng: nn.GroupNorm(2, 4), arrays(distinct, (1, 4, 3, 2))),
        layer(lambda rng: nn.GroupNorm(1, 6, affine=False), arrays(distinct, (2, 6))),
    )),
    Item("nn.InstanceNorm", (
        layer(lambda rng: nn.InstanceNorm(2, affine=True), arrays(distinct, (2, 2, 3, 2))),
        layer(lambda rng: nn.InstanceNorm(3), arrays(distinct, (2, 3, 4))),
        layer(lambda rng: nn.InstanceNorm(3, affine=True, track_running_stats=True).eval(), arrays(normal, (2, 3, 4))),
    )),
    Item("nn.LayerNorm", (
        layer(lambda rng: nn.LayerNorm(4), arrays(distinct, (3, 4))),
        layer(lambda rng: nn.LayerNorm((3, 2)), arrays(distinct, (2, 3, 2))),
    )),
    Item("nn.Embedding", (
        layer(lambda rng: nn.Embedding(5, 3, rng=rng), indices),
        layer(lambda rng: nn.Embedding(6, 3, padding_idx=-1, rng=rng), indices),  # the row without gradient is not read
    )),
    Item("nn.Dropout", (
        layer(lambda rng: nn.Dropout(0.4, rng=rng), arrays(positive, (4, 5))),
        layer(lambda rng: nn.Dropout(0.4, rng=rng).eval(), arrays(normal, (2, 3))),
    )),
    Item("nn.PReLU", (
        layer(lambda rng: nn.PReLU(), arrays(normal_away_from(0), (3, 4))),
        layer(lambda rng: nn.PReLU(3, init=0.1), arrays(normal_away_from(0), (2, 3, 2))),
    )),
    Item("nn.SpectralNorm", (
        layer(lambda rng: nn.SpectralNorm(nn.Dense(4, 3, rng=rng), rng=rng), arrays(normal, (2, 4))),
        layer(lambda rng: nn.SpectralNorm(nn.Conv2d(2, 3, 2, rng=rng), rng=rng), arrays(normal, (2, 2, 3, 4))),
        layer(lambda rng: nn.SpectralNorm(nn.ConvTranspose2d(2, 3, 2, rng=rng), rng=rng), arrays(normal, (2, 2, 2, 3))),
    )),
    Item("nn.MaxPool2d", (layer(lambda rng: nn.MaxPool2d(3, 2, 1, ceil_mode=True), arrays(distinct, IMAGE)),)),
    Item("nn.AvgPool2d", (layer(lambda rng: nn.AvgPool2d(2, stride=1), arrays(normal, IMAGE)),)),
    Item("nn.MaxPool1d", (layer(lambda rng: nn.MaxPool1d(3, 2, 1, ceil_mode=True), arrays(distinct, SEQUENCE)),)),
    Item("nn.AvgPool1d", (layer(lambda rng: nn.AvgPool1d(2, stride=1), arrays(normal, SEQUENCE)),)),
    Item("nn.MaxUnpool2d", (layer(lambda rng: nn.MaxUnpool2d(2), lambda rng: unpool_inputs(rng)[:2]),)),
    Item("nn.Upsample", (
        layer(lambda rng: nn.Upsample(2), arrays(normal, (2, 2, 3, 2))),
        layer(lambda rng: nn.Upsample((2, 3), "bilinear"), arrays(normal, (2, 2, 3, 2))),
        layer(lambda rng: nn.Upsample(size=(5, 2), mode="bilinear"), arrays(normal, (2, 2, 3, 4))),
    )),
    Item("nn.PixelShuffle", (layer(lambda rng: nn.PixelShuffle(2), arrays(normal, (2, 8, 2, 3))),)),
    Item("nn.PixelUnshuffle", (layer(lambda rng: nn.PixelUnshuffle(2), arrays(normal, (2, 2, 4, 2))),)),
    Item("nn.Flatten", (layer(lambda rng: nn.Flatten(), arrays(normal, (2, 3, 2))),)),
    Item("nn.Reshape", (layer(lambda rng: nn.Reshape((3, -1)), arrays(normal, (2, 6))),)),
    Item("nn.Sequential", (
        layer(network, arrays(normal, (3, 2, 4, 4))),
        layer(pooled_and_enlarged, arrays(normal, (3, 2, 4, 4))),
    )),
    Item("nn.MovingAverage", (
        layer(lambda rng: nn.MovingAverage(nn.Sequential(nn.Dense(4, 3, rng=rng), ops.tanh), decay=0.9),
              arrays(normal, (3, 4))),
    )),
    Item("nn.functional_copy", (layer(WithReplacedWeights, lambda rng: (normal(rng, (2, 4)), normal(rng, (3, 4)))),)),
)  # fmt: skip
