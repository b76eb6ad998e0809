"""Points with known modes, and digits stacked as colours."""

import numpy as np
import pytest

from minigen.data import NAMES, Dataset, load
from minigen.data.stacked import stack
from minigen.data.toys import TOYS, toy
from minigen.random import Generator


@pytest.mark.parametrize("name", TOYS)
def test_points_lie_around_their_modes(name):
    data = load(name)
    mixture = TOYS[name]
    assert data.images.shape == (100_000, 2, 1, 1) and data.images.dtype == np.float32
    assert data.value_range == (-1.0, 1.0) and np.abs(data.images).max() < 0.99  # no point at the edge of the square
    counts = np.bincount(data.labels)
    assert len(counts) == len(mixture.centres) == len(data.classes) and counts.max() - counts.min() <= 1
    for value_range in ((-1.0, 1.0), (0.0, 1.0), (-3.0, 5.0)):  # the plane does not depend on what a model works in
        points = mixture.points(data.in_range(value_range).images_float(), value_range)
        offsets = (points - mixture.centres[data.labels]) / mixture.sigma
        # of 100,000 normal numbers: deviation to 1 / sqrt(2 N), mean to 1 / sqrt(N), five errors of each; the largest
        # of them below 5; and float32 of the plane's largest number, in sigmas
        assert np.abs(offsets.std(0) - 1).max() < 0.012 and np.abs(offsets.mean(0)).max() < 0.016
        assert np.abs(offsets).max() < 6


def test_the_published_modes():
    ring, grid = TOYS["ring"], TOYS["grid"]
    np.testing.assert_allclose(np.hypot(*ring.centres.T), 1, rtol=1e-12)
    assert len(ring.centres) == 8 and ring.sigma == 0.01 and grid.sigma == 0.05
    assert {tuple(c) for c in grid.centres} == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}
    assert toy("grid", count=1).classes[0] == "(-4, -4)" and toy("ring", count=1).classes[2] == "(0, 1)"


def test_seeds_splits_and_counts_of_points():
    a, b = toy("ring", seed=3, count=50), toy("ring", seed=3, count=50)
    assert np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
    assert not np.array_equal(a.images, toy("ring", seed=4, count=50).images)
    assert not np.array_equal(a.images, toy("ring", seed=3, count=50, split="test").images)
    assert len(load("ring", split="test")) == 10_000 and len(load("grid", count=7)) == 7
    for wrong, message in {
        ("square",): "name is 'ring' or 'grid', got 'square'",
        ("ring", "valid"): "'train' or 'test', got 'valid'",
    }.items():
        with pytest.raises(ValueError, match=message):
            toy(wrong[0], split=(*wrong, "train")[1])
    for count in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="count is a whole number of at least 1"):
            toy("ring", count=count)


def digits(split="train"):
    """Images that show their label: all pixels have its value."""
    labels = np.arange(40) % 10
    return Dataset("flat", split, np.repeat(labels, 4).astype(np.uint8).reshape(40, 1, 2, 2), labels)


def test_a_stack_shows_what_its_label_spells():
    data = stack(digits(), "stacked", count=5000)
    assert data.images.shape == (5000, 3, 2, 2) and data.images.dtype == np.uint8
    spelt = data.images[:, :, 0, 0].astype(int) @ [100, 10, 1]
    assert np.array_equal(spelt, data.labels) and data.classes[123] == "123"
    assert (data.images == data.images[:, :, :1, :1]).all()  # a channel is one whole digit
    # 5000 draws of 1000: 1000 (1 - e^-5) = 993 kinds; channels do not depend on each other
    assert len(np.unique(data.labels)) == pytest.approx(993, abs=10)
    assert np.bincount(data.labels // 100).min() > 400
    again = stack(digits(), "stacked", count=5000)
    assert np.array_equal(again.images, data.images)
    assert not np.array_equal(stack(digits("test"), "stacked", count=5000).labels, data.labels)
    assert not np.array_equal(stack(digits(), "stacked", count=5000, seed=1).labels, data.labels)


def test_stacks_by_name():
    data = load("stacked-glyphs", split="test", count=300)
    base = load("glyphs", split="test")
    picks = Generator(0).spawn("stacked/test").integers(0, len(base), (300, 3))
    assert np.array_equal(data.images[:, 1], base.images[picks[:, 1], 0]) and data.name == "stacked-glyphs"
    assert {"ring", "grid", "stacked-mnist", "stacked-glyphs"} <= NAMES.keys()


def test_what_cannot_be_stacked():
    for wrong in (
        Dataset("d", "train", np.zeros((4, 1, 2, 2), np.uint8)),
        Dataset("d", "train", np.zeros((4, 3, 2, 2), np.uint8), np.arange(4)),
        Dataset("d", "train", np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 1, 2, 10])),
    ):
        with pytest.raises(ValueError, match="expected grey images with the labels 0 to 9"):
            stack(wrong, "stacked")
    with pytest.raises(ValueError, match="count is a whole number of at least 1"):
        stack(digits(), "stacked", count=0)


@pytest.mark.parametrize("name", ["ring", "stacked-glyphs"])
def test_options_of_other_data_sets_are_refused(name):
    with pytest.raises(ValueError, match=f"letters is an option of 'glyphs', not of '{name}'"):
        load(name, letters=True)
    with pytest.raises(
        ValueError, match=f"image_size is an option of folders of pictures, archives and tables, not of '{name}'"
    ):
        load(name, image_size=8)
    with pytest.raises(ValueError, match="has the splits 'train' and 'test', got 'valid'"):
        load(name, split="valid")
