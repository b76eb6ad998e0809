"""The denoising autoencoder: what each corruption does, pictures, and that it cleans unseen images.

Read next: ``test_contractive_ae.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import batch, build, glyphs, train
from algorithms.catalog_runs import first_of_each

from minigen.algorithms.autoencoders import denoising_ae
from minigen.algorithms.catalog import OPTIONS
from minigen.random import Generator

Array = np.ndarray[Any, Any]
N = 200_000
LOW_HIGH = [(0.0, 1.0), (-1.0, 1.0)]
CORRUPTIONS: dict[str, Callable[[float, float, float], denoising_ae.Corruption]] = {
    "masking": lambda level, low, high: denoising_ae.masking(level, low),
    "gaussian": denoising_ae.gaussian,
    "salt-and-pepper": denoising_ae.salt_and_pepper,
}


def share_is(found: Array, share: float) -> bool:
    """Is this the share of True among independent draws? Five standard deviations: wrong once in two million."""
    return bool(abs(found.mean() - share) <= 5 * math.sqrt(share * (1 - share) / found.size))


def greys(low: float, high: float, dtype: Any = np.float32) -> Array:
    """Images whose pixels are none of them at the ends of the range."""
    x = np.random.default_rng(5).uniform(0.25, 0.75, (N // 100, 1, 10, 10))
    return (low + (high - low) * x).astype(dtype)


def test_every_corruption_is_tested() -> None:
    assert tuple(CORRUPTIONS) == OPTIONS["corruption"].choices


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_masking(level: float, low: float, high: float) -> None:
    x = greys(low, high)
    y = denoising_ae.masking(level, low)(x, Generator(1))
    hit = y != x
    assert share_is(hit, level)
    assert (y[hit] == low).all()


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_salt_and_pepper(level: float, low: float, high: float) -> None:
    x = greys(low, high)
    y = denoising_ae.salt_and_pepper(level, low, high)(x, Generator(1))
    hit = y != x
    assert share_is(hit, level)
    assert np.isin(y[hit], (low, high)).all()
    assert share_is(y == low, level / 2) and share_is(y == high, level / 2)


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
def test_gaussian(low: float, high: float) -> None:
    x = np.full((N // 100, 1, 10, 10), (low + high) / 2, np.float32)
    # 10 standard deviations from the ends: no clipping.
    noise = denoising_ae.gaussian(0.05, low, high)(x, Generator(1)) - x
    assert abs(noise.mean()) < 5 * 0.05 / math.sqrt(N)
    assert abs(noise.std() / 0.05 - 1) < 5 / math.sqrt(2 * N)
    np.testing.assert_array_equal(denoising_ae.gaussian(0.0, low, high)(x, Generator(1)), x)
    wide = denoising_ae.gaussian(1.0, low, high)(x, Generator(1))
    beyond = math.erfc((high - low) / 2 / math.sqrt(2)) / 2  # the normal distribution above one end
    assert wide.min() == low and wide.max() == high
    assert share_is(wide == low, beyond) and share_is(wide == high, beyond)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_what_holds_for_every_corruption(kind: str, low: float, high: float, dtype: Any) -> None:
    x, rng = greys(low, high, dtype)[:50], Generator(3)
    kept = x.copy()
    corrupt = CORRUPTIONS[kind](0.3, low, high)
    place = rng.state
    first, second = corrupt(x, rng), corrupt(x, rng)
    np.testing.assert_array_equal(x, kept)  # the argument is not changed
    assert first.dtype == dtype and first.shape == x.shape
    assert low <= first.min() and first.max() <= high
    assert not np.array_equal(first, second)  # each call draws anew
    rng.state = place
    np.testing.assert_array_equal(corrupt(x, rng), first)  # and the state brings the draw back
    np.testing.assert_array_equal(CORRUPTIONS[kind](0.3, low, high)(x, Generator(3)), first)
    assert not np.array_equal(CORRUPTIONS[kind](0.3, low, high)(x, Generator(4)), first)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_pictures_of_a_denoising_autoencoder(kind: str) -> None:
    experiment, x = build("denoising-ae", shape=(1, 8, 8), corruption=kind), batch(4).x
    clean, corrupted, restored = experiment.pictures(x)
    np.testing.assert_array_equal(clean, x)
    assert not np.array_equal(corrupted, x) and corrupted.shape == x.shape
    np.testing.assert_array_equal(restored, experiment.reconstruct(corrupted))
    experiment.step(batch(8))
    np.testing.assert_array_equal(experiment.pictures(x)[1], corrupted)  # the same noise after every epoch


@pytest.mark.parametrize(
    ("kind", "level"),
    first_of_each(lambda _: "a kind of noise", [("masking", 0.3), ("gaussian", 0.5), ("salt-and-pepper", 0.3)]),
)
def test_denoising_cleans_unseen_images(kind: str, level: float) -> None:
    images, unseen = glyphs("train", 800), glyphs("test", 300).images_float()
    experiment = build("denoising-ae", mean=images.mean(), lr=2e-3, corruption=kind, corruption_level=level)
    train(experiment, images, 50, 200)
    clean, corrupted, restored = experiment.pictures(unseen)
    before, after = (float(np.square(y - clean).mean()) for y in (corrupted, restored))
    # Masking glyphs changes little, as most of their pixels are black anyway. Seen: 0.72, and 0.25 and 0.19.
    assert after < (0.85 if kind == "masking" else 0.4) * before
