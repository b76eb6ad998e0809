"""Which range the values of images fill: rounding and resampling move nothing, and advice destroys nothing."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.data import Dataset, load
from minigen.data.inspection import inspect_data

RNG = np.random.default_rng(0)
UNIT = RNG.random((40, 8, 8)).astype(np.float32)
SIGNED = UNIT * 2 - 1


def saved(folder, x, **more):
    path = folder / "d.npz"
    np.savez(path, images=x, **more)
    return path


def whole(path):
    """Both splits in one array of floats, and the range and notes of the training images."""
    train, test = load(path), load(path, split="test")
    assert train.value_range == test.value_range
    return np.concatenate([train.images_float(), test.images_float()]), train.value_range, train.notes


@pytest.mark.parametrize("value", [-1e-7, -1e-6, 1.0000001, 1 + 1e-9, 1 + 1e-6, -0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_no_other_range(tmp_path, value, dtype):
    x = UNIT.astype(dtype)
    x[0, 0, 0] = value
    images, value_range, notes = whole(saved(tmp_path, x))
    assert value_range == (0, 1) and notes == () and 0 <= images.min() <= images.max() <= 1
    assert images.mean() == pytest.approx(UNIT.mean(), abs=1e-3)  # one pixel of 2560 is another
    gan = load(tmp_path / "d.npz").in_range((-1.0, 1.0)).images_float()
    assert gan.min() == pytest.approx(-1, abs=0.01)  # black stays black


def test_undershoot_is_clipped_with_a_word(tmp_path):
    x = UNIT.copy()
    x[:, 0, 0], x[:, 1, 1] = -0.0625, 1.0625
    images, value_range, notes = whole(saved(tmp_path, x))
    assert value_range == (0, 1) and images.min() == 0 and images.max() == 1
    assert notes == ("values from -0.0625 to 1.0625: those outside of [0, 1] are clipped",)
    x = SIGNED.copy()
    x[:, 0, 0] = -1.0625
    images, value_range, notes = whole(saved(tmp_path, x))
    assert value_range == (-1, 1) and images.min() == -1 and "[-1, 1] are clipped" in notes[0]


UNDECIDED = {
    "one far value": np.where(np.arange(2560).reshape(40, 8, 8) == 5, -0.5, UNIT),
    "one value of -1": np.where(np.arange(2560).reshape(40, 8, 8) == 5, -1, UNIT),
    "centred": UNIT - 0.5,
    "around 0": (UNIT - 0.5) / 10,
    "half above 1": UNIT / 10 + 0.99,
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_cannot_be_decided_is_said(tmp_path, case):
    x = UNDECIDED[case].astype(np.float32)
    with pytest.raises(ValueError, match=r"d.npz: images: are the images in \[0, 1\] or in \[-1, 1\]\?") as caught:
        load(saved(tmp_path, x))
    assert f"from {x.min()!s} to {x.max()!s}" in str(caught.value)  # every digit


@pytest.mark.parametrize(("add", "shown"), [(0.2, "1.2000000477"), (1e3, "1000")])
def test_digits_of_a_range_that_is_left(tmp_path, add, shown):
    x = UNIT.astype(np.float64)
    x[0, 0, 0] = np.float64(np.float32(1 + add)) if add < 1 else add
    with pytest.raises(ValueError, match=re.escape(shown[:9])):
        load(saved(tmp_path, x))


@settings(max_examples=40)  # each of them writes files
@given(
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    signed=st.booleans(),
    noise=st.floats(0, 9e-7),
    places=st.lists(st.integers(0, 511), max_size=30),
    n=st.integers(2, 8),
    seed=st.integers(0, 99),
)
def test_any_images_of_a_range_are_of_that_range(tmp_path_factory, dtype, signed, noise, places, n, seed):
    """Ends of the range everywhere, with rounding beyond them at any place: the range does not change."""
    x = np.random.default_rng(seed).random((n, 8, 8))
    x.flat[: 8 * n] = np.tile([0, 1], 4 * n)  # both ends occur
    low = -1.0 if signed else 0.0
    x = x * (1 - low) + low
    for place in places:
        x.flat[place % x.size] = low - noise if place % 2 else 1 + noise
    path = saved(tmp_path_factory.mktemp("values"), x.astype(dtype))
    images, value_range, notes = whole(path)
    assert value_range == (low, 1) and notes == ()
    expected = np.sort(x.astype(dtype).astype(np.float32).clip(low, 1).ravel())
    np.testing.assert_array_equal(np.sort(images.ravel()), expected)


WIDE = [np.uint16, np.int16, np.int32, np.int64, np.int8, np.uint32, np.uint64, ">u2", ">i4"]


@settings(max_examples=40)  # each of them writes files
@given(dtype=st.sampled_from(WIDE), low=st.integers(-(2**31), 2**31 - 1), high=st.integers(-(2**31), 2**31 - 1))
def test_the_advice_for_other_integers_keeps_every_difference(tmp_path_factory, dtype, low, high):
    limits = np.iinfo(dtype)
    low, high = sorted(int(np.clip(k, limits.min, limits.max)) for k in (low, high))
    images = np.linspace(low, high, 128).round().clip(low, high).astype(dtype).reshape(2, 8, 8)
    path = saved(tmp_path_factory.mktemp("wide"), images)
    with pytest.raises(ValueError, match=r"images must be uint8 .*; save .*; they go from") as caught:
        load(path)
    advice = re.search("; save (.+?)(, or divide .*)?; they go", str(caught.value))[1]
    made = eval(advice, {"images": images, "np": np})  # what a user would do
    saved(path.parent, made)
    if made.dtype != np.uint8 or made.max() > 1:
        found, value_range, _ = whole(path)
        assert value_range == (0, 1)
        ranks = [np.unique(a, return_inverse=True)[1] for a in (images, made)]  # no two values change places
        assert (np.diff(ranks[1].ravel()[np.argsort(images, axis=None)]) >= 0).all()
        if high - low < 2**16:  # float32 keeps as many values apart
            assert np.array_equal(*ranks)


def test_the_test_images_take_the_range_of_the_training_images(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=SIGNED, x_test=UNIT[:3])  # bright: alone they look like 0..1
    test = load(tmp_path / "d.npz", split="test")
    assert test.value_range == (-1, 1) and np.array_equal(test.images[:, 0], UNIT[:3])
    np.savez(tmp_path / "d.npz", x_train=(UNIT * 255).astype(np.uint8), x_test=np.ones((2, 8, 8), np.uint8))
    assert load(tmp_path / "d.npz", split="test").images.max() == 1  # dark, but bytes as the others
    np.savez(tmp_path / "d.npz", x_train=UNIT, x_test=SIGNED)
    message = r"x_test: the images lie in \[-1, 1\] .*, those to train on \(.*d.npz: x_train\) in \[0, 1\]; save both"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "d.npz", split="test")
    (refused,) = inspect_data(str(tmp_path / "d.npz"), {}).refused  # before a training is lost
    assert re.match(message, refused.reason) and refused.name == str(tmp_path / "d.npz")  # named once
    assert load(tmp_path / "d.npz", split="test", rules=2).value_range == (-1, 1)  # as runs from before read it
    np.savez(tmp_path / "d.npz", x_train=(UNIT * 255).astype(np.uint8), x_test=SIGNED)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "d.npz", split="test")


@pytest.mark.parametrize("part", ["images", "labels"])
def test_masks_are_not_dropped(part):
    parts = {"images": np.zeros((4, 1, 2, 2), np.float32), "labels": np.arange(4)}
    parts[part] = np.ma.masked_array(parts[part], mask=parts[part] == 1)
    with pytest.raises(TypeError, match=rf"{part} is a masked array.*{part}.filled"):
        Dataset("d", "train", **parts)
