"""Dataset: float images from bytes, exactly; parts that do not fit together are refused."""

import dataclasses
import itertools

import numpy as np
import pytest

from minigen.data import Dataset

ALL_BYTES = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)


def test_bytes_become_correctly_rounded_fractions():
    y = Dataset("d", "train", ALL_BYTES).images_float()
    expected = (np.arange(256) / 255).astype(np.float32)  # float64 division, then rounded once
    assert y.dtype == np.float32 and y.shape == (4, 1, 8, 8)
    assert np.array_equal(y.ravel(), expected)


def test_a_range_for_tanh():
    data = dataclasses.replace(Dataset("d", "train", ALL_BYTES), value_range=(-1.0, 1.0))
    y = data.images_float().ravel()
    assert y[0] == -1 and y[255] == 1
    # two roundings in float32, of values of at most 2: one unit in the last place of 1..2
    np.testing.assert_allclose(y, np.arange(256) / 127.5 - 1, rtol=0, atol=2**-23)


def test_bytes_in_another_range_are_the_same_bytes():
    data = Dataset("d", "train", ALL_BYTES, np.arange(4), ("a", "b", "c", "d"), {"f": np.arange(4.0)})
    moved = data.in_range((-1.0, 1.0))
    assert moved.images is data.images and moved.value_range == (-1.0, 1.0)  # nothing is copied
    assert (moved.name, moved.split, moved.classes) == ("d", "train", data.classes)
    assert moved.labels is data.labels and moved.factors is data.factors
    # k/255 and its double less 1, both rounded to float32: one unit in the last place of 1..2
    np.testing.assert_allclose(moved.images_float(), 2 * data.images_float() - 1, rtol=0, atol=2**-23)
    assert moved.mean() == pytest.approx(2 * data.mean() - 1, abs=1e-12)
    assert np.array_equal(moved.in_range((0.0, 1.0)).images_float(), data.images_float())


RANGES = [(0.0, 1.0), (-1.0, 1.0), (-3.0, 5.0), (0.0, 255.0)]


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(RANGES, 2)))
def test_floats_in_another_range(old, new):
    (low, high), (new_low, new_high) = old, new
    x = np.linspace(low, high, 60, dtype=np.float32).reshape(5, 1, 3, 4)
    before = x.copy()
    data = Dataset("d", "train", x, value_range=old)
    moved = data.in_range(new)
    wanted = (x.astype(np.float64) - low) / (high - low) * (new_high - new_low) + new_low
    # each of three roundings in float32 is off by 6e-8 of the largest number
    np.testing.assert_allclose(moved.images, wanted, rtol=0, atol=3e-7 * max(map(abs, (*old, *new))) * 2)
    assert moved.images.dtype == np.float32 and moved.images.min() >= new_low and moved.images.max() <= new_high
    assert moved.mean() == pytest.approx(wanted.mean(), abs=1e-6 * max(map(abs, new)))
    assert np.array_equal(x, before)  # the old ones stay
    assert data.in_range(old).images is x  # and are the same in the same range


def test_a_range_that_is_none():
    for wrong in ((1.0, -1.0), (0.0, 0.0), (0.0, np.inf)):
        with pytest.raises(ValueError, match="low < high"):
            Dataset("d", "train", ALL_BYTES).in_range(wrong)


def test_float_images_are_copied_not_shared():
    x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 1, 4, 4)
    data = Dataset("d", "train", x, value_range=(-1.0, 1.0))
    y = data.images_float(slice(0, 2))
    y[:] = 7
    assert x.max() == 1
    assert np.array_equal(data.images_float(np.array([1, 0])), x[::-1])


def test_subset_and_properties():
    data = Dataset("d", "train", ALL_BYTES, np.array([0, 1, 0, 1]), ("a", "b"), {"f": np.arange(4.0)})
    part = data.subset(np.array([3, 0]))
    assert len(part) == 2 and part.image_shape == (1, 8, 8) and part.classes == ("a", "b")
    assert part.labels.tolist() == [1, 0] and part.factors["f"].tolist() == [3, 0]
    assert np.array_equal(part.images, ALL_BYTES[[3, 0]])
    assert repr(part) == "Dataset('d', 'train', 2 images of 1x8x8, uint8, labels, values in (0.0, 1.0))"


FLOATS = np.zeros((2, 1, 2, 2), np.float32)
NAN = FLOATS.copy()
NAN[1, 0, 1, 1] = np.nan
WRONG = {
    "type": (dict(images=FLOATS.astype(np.float64)), TypeError, "uint8 or float32, got float64"),
    "list": (dict(images=[1]), TypeError, "got list"),
    "axes": (dict(images=FLOATS[0]), ValueError, r"\(N, C, H, W\)"),
    "empty": (dict(images=FLOATS[:0]), ValueError, "no empty axis"),
    "outside": (dict(images=FLOATS + 2), ValueError, r"inside value_range \(0.0, 1.0\), got values from 2.0 to 2.0"),
    "nan": (dict(images=NAN), ValueError, "inside value_range"),
    "range": (dict(images=FLOATS, value_range=(1.0, 0.0)), ValueError, "low < high"),
    "labels": (dict(images=FLOATS, labels=np.zeros(3, np.int64)), ValueError, r"labels must be \(2,\)"),
    "label type": (dict(images=FLOATS, labels=np.zeros(2)), TypeError, "int64"),
    "classes": (dict(images=FLOATS, labels=np.array([0, 2]), classes=("a", "b")), ValueError, "there are 2 classes"),
    "factors": (dict(images=FLOATS, factors={"size": np.zeros(5)}), ValueError, r"size must be \(2,\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_parts_that_do_not_fit(case):
    parts, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        Dataset("d", "train", **parts)
