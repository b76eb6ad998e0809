"""Stacked digits (stacked MNIST): three random digits as the channels of one image, which gives 1000 modes.

It measures mode coverage: a digit classifier reads the three channels, and the modes are counted (Metz et al. 2017,
arXiv:1611.02163; Srivastava et al. 2017, VEEGAN, arXiv:1705.07761).

Imports: NumPy, ``minigen.random``, ``dataset.py``. Read next: ``minigen/metrics/modes.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.data.dataset import Dataset
from minigen.random import Generator
from minigen.shapes import whole_number

COUNTS = {"train": 128_000, "test": 26_000}  # as in Lin et al. 2018, PacGAN, arXiv:1712.04086
BASES = {"stacked-mnist": "mnist", "stacked-glyphs": "glyphs"}  # stacked data set: where its digits come from


def stack(digits: Dataset, name: str, *, seed: int = 0, count: int | None = None) -> Dataset:
    """`count` pictures (count, 3, H, W), each channel a digit drawn from `digits` (with replacement).

    The label is the number from 0 to 999 with these digits, red first. By default 128,000 of a split "train",
    26,000 of "test". ValueError if `digits` are not grey images with the labels 0 to 9, or for a count below 1.
    """
    if digits.labels is None or digits.image_shape[0] != 1 or not 0 <= digits.labels.min() <= digits.labels.max() <= 9:
        raise ValueError(f"stack: expected grey images with the labels 0 to 9, got {digits!r}")
    count = COUNTS[digits.split] if count is None else whole_number("stack", "count", count, 1)
    picks = Generator(seed).spawn(f"stacked/{digits.split}").integers(0, len(digits), (count, 3))
    images = digits.images[:, 0][picks]  # (count, 3, H, W)
    labels = digits.labels[picks] @ np.array([100, 10, 1])
    names = tuple(f"{number:03}" for number in range(1000))
    return Dataset(name, digits.split, images, labels, names, value_range=digits.value_range)
