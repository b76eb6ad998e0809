"""Images from a trained model: samples, rows between two samples, rows along one code unit, the plane of two units.

Sample i depends on the seed and i alone, not on how many are drawn: codes are drawn and decoded in blocks of 100, each
block from a stream of its own, and always whole.

Where a function wants to know how a prior is spread it draws `look` codes (`Latent.look`).

Imports: random, algorithms.experiment. Read next: ``drawing.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from minigen.algorithms.experiment import LOOK, Latent
from minigen.random import Generator
from minigen.shapes import whole_number
from minigen_kernels import Array

BLOCK = 100  # codes drawn and decoded together

Draw = Callable[[int, Generator], Array]  # (n, generator) -> codes (n, D)


def draw_codes(draw: Draw, n: int, seed: int) -> Array:
    """Codes (n, D) of the prior or density `draw`."""
    blocks = [draw(BLOCK, Generator(seed).spawn(f"samples/{start}")) for start in range(0, n, BLOCK)]
    return np.concatenate(blocks)[:n]


def decode(latent: Latent, codes: Array, labels: Array | None = None) -> Array:
    """The images (N, C, H, W) of codes (N, D), and labels (N,) for a model with classes; one block after the other.

    A last block is filled up with copies of its last code: matrix products of other sizes round differently.
    """
    images = []
    for start in range(0, len(codes), BLOCK):
        rows = np.minimum(np.arange(start, start + BLOCK), len(codes) - 1)
        images.append(latent.decode(codes[rows], None if labels is None else labels[rows]))
    return np.concatenate(images)[: len(codes)]


def truncated(draw: Draw, limit: float, look: int = LOOK) -> Draw:
    """The prior `draw` with every number of a code between -limit and limit: those beyond are drawn again.

    The truncation trick (Brock et al. 2019, arXiv:1809.11096): fewer kinds of images, better ones. ValueError if the
    prior is not standard normal: of other codes this would not give the same prior on a smaller set.
    """
    if not limit >= 0.01:  # below, drawing again until all are small enough would take for ever
        raise ValueError(f"truncation: the limit must be at least 0.01, got {limit}")
    codes = draw(look, Generator(0).spawn("prior")).astype(np.float64)
    if far_from_normal(codes).max() > 6:
        raise ValueError("truncation is for a prior of standard normal codes, and that of this model is another one")

    def draw_again(n: int, rng: Generator) -> Array:
        codes = draw(n, rng)
        while (beyond := np.abs(codes) > limit).any():
            codes = np.where(beyond, draw(n, rng), codes)
        return codes

    return draw_again


def far_from_normal(codes: Array) -> Array:
    """How far each unit of codes (N, D) is from a standard normal number, (D,): the largest error of its moments.

    Of mean, variance and mean fourth power, in standard errors.
    """
    moments = {1: (0, 1), 2: (1, 2), 4: (3, 96)}  # of a standard normal number: mean of its power, and the variance
    errors = [abs((codes**p).mean(0) - mean) / np.sqrt(var / len(codes)) for p, (mean, var) in moments.items()]
    return np.max(errors, axis=0)


def between(a: Array, b: Array, steps: int, kind: Literal["linear", "spherical"]) -> Array:
    """Codes (N, steps, D) on the way from a (N, D) to b (N, D), both ends included.

    "linear": a + t (b - a). "spherical": along the great circle, so that the length of the code passes from |a| to |b|
    instead of dipping where normal codes never lie (White 2016, arXiv:1609.04468).
    """
    t = np.linspace(0, 1, whole_number("interpolate", "steps", steps, 2))[None, :, None]
    x, y = a[:, None].astype(np.float64), b[:, None].astype(np.float64)
    if kind == "linear":
        return ((1 - t) * x + t * y).astype(a.dtype)
    lengths = np.linalg.norm(x, axis=2, keepdims=True), np.linalg.norm(y, axis=2, keepdims=True)
    cosine = (x * y).sum(2, keepdims=True) / np.maximum(lengths[0] * lengths[1], 1e-30)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    # The same direction, or the opposite one, to which no great circle is the shortest; or no direction at all.
    straight = (sine < 1e-6) | (lengths[0] * lengths[1] < 1e-12)
    sine = np.where(straight, 1, sine)
    arc = (np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / sine
    return np.where(straight, (1 - t) * x + t * y, arc).astype(a.dtype)


def along(codes: Array, unit: int, values: Array) -> Array:
    """Codes (N, len(values), D): copies of each of `codes` (N, D) with unit number `unit` at each of `values`."""
    if not 0 <= unit < codes.shape[1]:
        raise ValueError(f"codes have the units 0 to {codes.shape[1] - 1}, got {unit}")
    rows = np.repeat(codes[:, None], len(values), 1)
    rows[:, :, unit] = values
    return rows


def spread(draw: Draw, steps: int, look: int = LOOK) -> Array:
    """Values (D, steps): for each code unit, equal steps over the range that it keeps to in 99 of 100 draws."""
    drawn = draw(look, Generator(0).spawn("prior"))
    low, high = np.quantile(drawn.astype(np.float64), (0.005, 0.995), axis=0)
    return np.linspace(low, high, steps, axis=1).astype(drawn.dtype)


def plane(draw: Draw, side: int, look: int = LOOK) -> Array:
    """Codes (side * side, 2) on a grid with as much of the prior between any two lines; for codes of two units.

    Kingma and Welling 2014 (arXiv:1312.6114), figure 4: there by the inverse of the normal distribution, here by
    quantiles of drawn codes. The first unit grows to the right, the second upwards.
    """
    drawn = draw(look, Generator(0).spawn("prior"))
    if drawn.shape[1] != 2:
        raise ValueError(f"plane: codes must have 2 units, got {drawn.shape[1]}")
    x, y = np.quantile(drawn, (np.arange(side) + 0.5) / side, axis=0).T.astype(drawn.dtype)
    return np.stack(np.meshgrid(x, y[::-1]), -1).reshape(-1, 2)
