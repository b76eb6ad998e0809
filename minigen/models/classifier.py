"""A small image classifier for metrics: its last hidden layer gives the features by which samples are compared.

Architecture only; ``metrics/classifier.py`` trains it.

Imports: nn, ops. Read next: ``minigen/metrics/classifier.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.random import Generator

FEATURES = 64  # enough for 99 % accuracy on digits, and few enough for covariances of some hundred samples


class Classifier(nn.Module):
    """Images (N, C, H, W) with values from 0 to 1 to logits (N, classes).

    A strided 5x5 convolution (24 channels), a 3x3 convolution (48), 2x2 max pooling, a dense layer of 64 (the
    features), all with ReLU; and a dense layer to the classes. Images may have any size: the first stride is 2 up to
    32x32, and more for larger images. `centre` is subtracted from the pixels.
    """

    def __init__(self, image: tuple[int, int, int], classes: int, *, centre: float, rng: Generator) -> None:
        channels, height, width = image
        stride = tuple(max(2, -(-side // 16)) for side in (height, width))
        h, w = (((side - 1) // s + 2) // 2 for side, s in zip((height, width), stride))  # strided, then pooled
        self.body = nn.Sequential(
            nn.Conv2d(channels, 24, 5, stride=(stride[0], stride[1]), padding=2, rng=rng), ops.relu,
            nn.Conv2d(24, 48, 3, padding=1, rng=rng), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Dense(48 * h * w, FEATURES, rng=rng), ops.relu,
        )  # fmt: skip
        self.last = nn.Dense(FEATURES, classes, rng=rng)
        self.centre = Tensor(np.array(centre, np.float32))

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, 64)."""
        return self.call_submodule(self.body, x - self.centre)

    def logits(self, features: Tensor) -> Tensor:
        """Features (N, 64) to logits (N, classes)."""
        return self.call_submodule(self.last, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x))
