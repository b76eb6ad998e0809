"""Two toy data sets of points in the plane with known modes, to measure mode coverage.

"ring": 8 Gaussians on a circle of radius 1, standard deviation 0.01. "grid": 25 Gaussians at {-4, -2, 0, 2, 4}^2,
standard deviation 0.05. (The settings of Lin et al. 2018, PacGAN, arXiv:1712.04086.)

A point is an image of two channels and one pixel, so that every dense model can train on it. Coordinates are divided
by `Toy.extent`: the square [-extent, extent]^2 of the plane becomes the value range (-1, 1), that of tanh. The extent
leaves room for samples outside of the data.

Imports: NumPy, ``minigen.random``, ``dataset.py``. Read next: ``stacked.py``; ``minigen/metrics/modes.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.dataset import Dataset
from minigen.random import Generator
from minigen.shapes import one_of, whole_number

COUNTS = {"train": 100_000, "test": 10_000}


@dataclass(frozen=True)
class Toy:
    """A mixture of Gaussians of equal weight: `centres` (M, 2), the `sigma` of each, and the `extent` of the square."""

    centres: NDArray[np.float64]
    sigma: float
    extent: float

    def points(self, images: NDArray[Any], value_range: tuple[float, float]) -> NDArray[np.float64]:
        """The points (N, 2) of the plane that images (N, 2, 1, 1) with values in that range stand for."""
        low, high = value_range
        return ((images.reshape(len(images), 2).astype(np.float64) - low) / (high - low) * 2 - 1) * self.extent


def _ring() -> Toy:
    angles = 2 * np.pi * np.arange(8) / 8
    return Toy(np.stack([np.cos(angles), np.sin(angles)], 1), 0.01, 1.5)


def _grid() -> Toy:
    line = np.arange(-4.0, 5.0, 2.0)
    return Toy(np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2), 0.05, 5.0)


TOYS: Mapping[str, Toy] = {"ring": _ring(), "grid": _grid()}


def toy(name: str, *, split: str = "train", seed: int = 0, count: int | None = None) -> Dataset:
    """Points (count, 2, 1, 1) in float32, values in (-1, 1); labels are the numbers of their modes.

    100,000 points for ``split="train"`` and 10,000 for "test" from different random streams; the modes are balanced.
    ValueError for an unknown name or split, or a count below 1.
    """
    one_of("toy", "name", name, tuple(TOYS))
    one_of("toy", "split", split, ("train", "test"))
    count = COUNTS[split] if count is None else whole_number("toy", "count", count, 1)
    mixture = TOYS[name]
    rng = Generator(seed).spawn(f"{name}/{split}")
    modes = rng.permutation(count) % len(mixture.centres)
    points = mixture.centres[modes] + mixture.sigma * rng.normal((count, 2), dtype=np.float64)
    images = (points / mixture.extent).clip(-1, 1).astype(np.float32)  # the square ends 20 sigma or more from any mode
    names = tuple(f"({x:g}, {y:g})" for x, y in mixture.centres.round(2) + 0.0)
    return Dataset(name, split, images.reshape(-1, 2, 1, 1), modes, names, value_range=(-1.0, 1.0))
