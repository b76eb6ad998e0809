"""Samples that depend on seed and number alone; rows of codes between, along and across."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.algorithms.experiment import Latent
from minigen.random import Generator
from minigen.runs import sampling


def normal(n, rng):
    return rng.normal((n, 3))


def mixed(n, rng):
    """A prior whose second draw begins where the first one, of n numbers, ends."""
    return rng.integers(0, 5, (n,))[:, None] + rng.normal((n, 3))


@given(st.sampled_from([normal, mixed]), st.integers(1, 250), st.integers(1, 250), st.integers(0, 2**63))
def test_a_sample_does_not_depend_on_how_many_are_drawn(draw, n, m, seed):
    few, many = sorted((n, m))
    a, b = sampling.draw_codes(draw, few, seed), sampling.draw_codes(draw, many, seed)
    assert a.shape == (few, 3) and np.array_equal(a, b[:few])
    assert not np.array_equal(a, sampling.draw_codes(draw, few, seed + 1))
    assert len(np.unique(b[:, 0])) == many  # no block comes twice


@given(st.integers(1, 250))
def test_images_are_decoded_in_whole_blocks(n):
    sizes = []

    def decode(codes, labels):
        sizes.append((len(codes), None if labels is None else len(labels)))
        return (codes + (0 if labels is None else labels[:, None])).reshape(-1, 3, 1, 1)

    codes, labels = np.arange(3.0 * n).reshape(n, 3), np.arange(n) % 7
    for given_labels in (None, labels):
        images = sampling.decode(Latent(3, decode, classes=7), codes, given_labels)
        wanted = codes if given_labels is None else codes + labels[:, None]
        assert np.array_equal(images.reshape(n, 3), wanted)
    blocks = math.ceil(n / 100)
    assert sizes == [(100, None)] * blocks + [(100, 100)] * blocks


def test_truncation_gives_the_truncated_normal_distribution():
    codes = sampling.draw_codes(sampling.truncated(normal, 1.0), 20_000, 0).ravel()
    assert np.abs(codes).max() <= 1
    phi, mass = math.exp(-0.5) / math.sqrt(2 * math.pi), math.erf(1 / math.sqrt(2))
    assert codes.var() == pytest.approx(1 - 2 * phi / mass, rel=0.02)  # the textbook's; 60,000 numbers: 0.4 %
    loose = sampling.draw_codes(sampling.truncated(normal, 50.0), 500, 3)
    assert np.array_equal(loose, sampling.draw_codes(normal, 500, 3))


def test_truncation_is_for_normal_priors_only():
    def one_hot(n, rng):
        return np.eye(3, dtype=np.float32)[rng.integers(0, 3, (n,))]

    def uniform(n, rng):
        return rng.uniform((n, 3), -math.sqrt(3), math.sqrt(3))  # with the mean and variance of a normal number

    for draw in (mixed, one_hot, uniform, lambda n, rng: 1.1 * normal(n, rng), lambda n, rng: 0.1 + normal(n, rng)):
        with pytest.raises(ValueError, match="truncation is for a prior of standard normal codes"):
            sampling.truncated(draw, 1.0)
    for limit in (0, -1, 0.001, math.nan):
        with pytest.raises(ValueError, match="the limit must be at least 0.01"):
            sampling.truncated(normal, limit)


def codes(n, seed, size=5):
    return np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)


@given(st.integers(1, 4), st.integers(2, 9), st.integers(0, 999))
def test_rows_between(n, steps, seed):
    a, b = codes(n, seed), codes(n, seed + 1)
    for kind in ("linear", "spherical"):
        rows = sampling.between(a, b, steps, kind)
        assert rows.shape == (n, steps, 5) and rows.dtype == np.float32
        np.testing.assert_allclose(rows[:, 0], a, atol=1e-6)  # float32
        np.testing.assert_allclose(rows[:, -1], b, atol=1e-6)
    line = sampling.between(a, b, steps, "linear")
    np.testing.assert_allclose(
        np.diff(line, axis=1), np.repeat((b - a)[:, None] / (steps - 1), steps - 1, 1), atol=1e-5
    )


def test_a_great_circle_keeps_the_length_and_turns_evenly():
    a, b = (c / np.linalg.norm(c, axis=1, keepdims=True) for c in (codes(6, 0), codes(6, 1)))
    rows = sampling.between(a, b, 7, "spherical")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=2), 1, atol=1e-5)
    turns = np.arccos(np.clip((rows[:, 1:] * rows[:, :-1]).sum(2), -1, 1))
    np.testing.assert_allclose(turns, np.arccos((a * b).sum(1))[:, None].repeat(6, 1) / 6, atol=2e-3)
    # arccos loses digits near 1
    assert np.linalg.norm(sampling.between(a, b, 3, "linear")[:, 1], axis=1).max() < 0.99


def test_where_no_great_circle_leads():
    a = codes(3, 0)
    for b in (a, 2 * a, -a, np.zeros_like(a)):
        np.testing.assert_allclose(
            sampling.between(a, b, 3, "spherical"), sampling.between(a, b, 3, "linear"), atol=1e-5
        )
    with pytest.raises(ValueError, match="steps is a whole number of at least 2, got 1"):
        sampling.between(a, a, 1, "linear")


def test_rows_along_a_unit():
    a, values = codes(2, 0), np.array([-2.0, 0, 2], np.float32)
    rows = sampling.along(a, 3, values)
    assert rows.shape == (2, 3, 5) and np.array_equal(rows[:, :, 3], [values, values])
    assert np.array_equal(rows[:, :, :3], a[:, None, :3].repeat(3, 1)) and not np.array_equal(a[:, 3], rows[:, 0, 3])
    for unit in (-1, 5):
        with pytest.raises(ValueError, match=f"units 0 to 4, got {unit}"):
            sampling.along(a, unit, values)


def test_the_range_of_a_unit_is_that_of_the_prior():
    values = sampling.spread(normal, 11)[1]
    assert values[-1] == pytest.approx(2.576, abs=0.15) and values[5] == pytest.approx(0, abs=0.1)  # normal quantile
    np.testing.assert_allclose(np.diff(values), values[1] - values[0], rtol=1e-4)
    assert np.abs(sampling.spread(lambda n, rng: rng.uniform((n, 3), -1, 1), 3)).max() <= 1


def test_the_plane_of_codes():
    grid = sampling.plane(lambda n, rng: rng.normal((n, 2)) * [1, 10], 3).reshape(3, 3, 2)
    third = 0.967  # a sixth of a normal distribution lies above it
    np.testing.assert_allclose(grid[1, :, 0], [-third, 0, third], atol=0.06)
    np.testing.assert_allclose(grid[:, 1, 1], [10 * third, 0, -10 * third], atol=0.6)  # upwards
    assert np.array_equal(grid[0, :, 0], grid[2, :, 0]) and np.array_equal(grid[:, 0, 1], grid[:, 2, 1])
    with pytest.raises(ValueError, match="2 units, got 3"):
        sampling.plane(normal, 3)


def test_the_generator_of_a_caller_is_not_moved():
    rng = Generator(5)
    before = rng.state
    sampling.draw_codes(normal, 10, 5)
    assert rng.state == before


def test_how_a_prior_is_spread_is_looked_at_once() -> None:
    """A PixelCNN takes its time for each code: `Latent.look` says how many are drawn, for all units together."""
    drawn = []

    def draw(n: int, rng: Generator) -> np.ndarray:
        drawn.append(n)
        return rng.normal((n, 4))

    assert sampling.spread(draw, 7, 300).shape == (4, 7) and drawn == [300]
    sampling.truncated(draw, 1.0, 300)
    sampling.plane(lambda n, rng: draw(n, rng)[:, :2], 3, 300)
    assert drawn == [300] * 3
