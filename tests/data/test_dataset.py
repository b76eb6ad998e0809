"""Dataset: float images from bytes, exactly; parts that do not fit together are refused."""

import dataclasses

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
