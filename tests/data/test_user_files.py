"""Data that users bring: .npy and .npz files and folders of pictures; what is right is read, what is wrong is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigen.data import load

BYTES = np.random.default_rng(0).integers(0, 256, (20, 6, 5), dtype=np.uint8)


def both(path, **options):
    return load(path, split="train", **options), load(path, split="test", **options)


# --- arrays ---


def test_npy_is_split_by_the_seed(tmp_path):
    path = tmp_path / "things.npy"
    np.save(path, BYTES)
    train, test = both(path)
    assert (train.name, len(train), len(test), train.image_shape) == ("things", 18, 2, (1, 6, 5))
    rows = {x.tobytes() for x in train.images} | {x.tobytes() for x in test.images}
    assert rows == {x.tobytes() for x in BYTES}
    assert np.array_equal(load(path, split="test").images, test.images)
    others = [load(path, split="test", seed=seed).images for seed in range(1, 4)]
    assert any(not np.array_equal(x, test.images) for x in others)


@given(n=st.integers(2, 200), seed=st.integers(0, 2**64 - 1))
def test_split_is_a_partition(n, seed):
    from minigen.data.layout import holdout

    parts = {split: holdout(n, split=split, seed=seed, source="x") for split in ("train", "test")}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(n))
    assert len(parts["test"]) == max(1, round(n / 10))


@pytest.mark.parametrize(
    ("given_shape", "shape"),
    [
        ((4, 7, 5), (4, 1, 7, 5)),
        ((4, 3, 7, 5), (4, 3, 7, 5)),
        ((4, 7, 5, 3), (4, 3, 7, 5)),
        ((4, 7, 5, 1), (4, 1, 7, 5)),
        ((4, 3, 3, 3), (4, 3, 3, 3)),
        ((4, 49), (4, 1, 7, 7)),
    ],
)
def test_layouts(tmp_path, given_shape, shape):
    x = np.random.default_rng(1).integers(0, 256, given_shape, dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x)
    got = load(tmp_path / "d.npz").images
    assert got.shape == shape
    if len(given_shape) == 4 and given_shape[1] not in (1, 3):
        x = np.moveaxis(x, -1, 1)
    assert np.array_equal(got.ravel(), x.ravel())


@pytest.mark.parametrize(
    ("x", "dtype", "value_range"),
    [
        (BYTES, np.uint8, (0, 1)),
        (BYTES > 99, np.uint8, (0, 1)),
        (BYTES / 255, np.float32, (0, 1)),
        (BYTES / 127.5 - 1, np.float32, (-1, 1)),
        ((BYTES / 255).astype(np.float16), np.float32, (0, 1)),
    ],
    ids=["bytes", "bool", "0..1", "-1..1", "half"],
)
def test_types_and_ranges(tmp_path, x, dtype, value_range):
    np.savez(tmp_path / "d.npz", x_train=x, x_test=x[:3])
    data = load(tmp_path / "d.npz")
    assert data.images.dtype == dtype and data.value_range == value_range
    expected = x.astype(np.float32) / (255 if x.dtype == np.uint8 else 1)
    assert np.array_equal(data.images_float()[:, 0], expected)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x_{}", "y_{}"), ("{}_images", "{}_labels")],
)
def test_npz_with_its_own_split(tmp_path, images, labels):
    y = np.arange(20, dtype=np.uint8)[:, None]  # (N, 1), as CIFAR's
    arrays = {images.format("train"): BYTES[:15], labels.format("train"): y[:15]}
    arrays |= {images.format("test"): BYTES[15:], labels.format("test"): y[15:]}
    np.savez_compressed(tmp_path / "d.npz", **arrays)
    train, test = both(tmp_path / "d.npz")
    assert np.array_equal(train.images[:, 0], BYTES[:15]) and np.array_equal(test.images[:, 0], BYTES[15:])
    assert test.labels.tolist() == [15, 16, 17, 18, 19] and test.labels.dtype == np.int64


@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("x", "y"), ("arr_0", None)])
def test_npz_without_a_split(tmp_path, images, labels):
    arrays = {images: BYTES, "unrelated": np.array(["text"])} | ({labels: np.arange(20)} if labels else {})
    np.savez(tmp_path / "d.npz", **arrays)
    for part in both(tmp_path / "d.npz"):
        if labels:
            assert np.array_equal(part.images[:, 0], BYTES[part.labels])
        else:
            assert part.labels is None


HOLED = (BYTES / 255).astype(np.float32)
HOLED[3, 4, 2] = np.inf
HOLED[7, 0, 0] = np.nan
WRONG_ARRAYS = {
    "nan": (dict(x=HOLED), r"x: the images hold inf at index \(3, 0, 4, 2\)"),
    "0..255 floats": (dict(x=BYTES * 1.0), "divide them by their largest value"),
    "int64": (dict(x=BYTES.astype(np.int64)), "got int64; save images.astype"),
    "text": (dict(x=np.array([["a"]])), "uint8"),
    "0..1 bytes": (dict(x=(BYTES > 99).astype(np.uint8)), "save them as bool"),
    "no square": (dict(x=BYTES.reshape(20, 30)), "30 values are no square"),
    "no channels": (dict(x=BYTES.reshape(5, 2, 5, 12)), "no channel axis"),
    "one axis": (dict(x=BYTES.ravel()), r"got \(600,\)"),
    "no image": (dict(x=BYTES[:0]), r"got \(0, 6, 5\)"),
    "one image": (dict(x=BYTES[:1]), "at least 2"),
    "labels missing": (dict(x=BYTES, y=np.arange(19)), "20 images but 19 labels"),
    "one-hot": (dict(x=BYTES, y=np.eye(20, dtype=np.int64)), "argmax"),
    "float labels": (dict(x=BYTES, y=np.arange(20.0) / 2), "whole numbers, bools or texts, got float64 with 0.5"),
    "one label": (dict(x=BYTES, y=np.int64(3)), r"labels must be \(N,\), one for each image, got \(\)"),
    "no key": (dict(pictures=BYTES), "holds no images for the split 'train'"),
    "pickled": (dict(x=np.array([{}], dtype=object)), "cannot be read as NumPy arrays"),
    "pickled labels": (dict(x=BYTES, y=np.array(["a"] * 20, dtype=object)), "y.npy: it holds pickled Python objects"),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_wrong_arrays(tmp_path, case):
    arrays, message = WRONG_ARRAYS[case]
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path / "d.npz")
    assert "d.npz" in str(caught.value)


def test_wrong_npz_and_npy_files(tmp_path):
    np.savez_compressed(tmp_path / "good.npz", x=BYTES)
    np.save(tmp_path / "good.npy", BYTES)
    npz, npy = (tmp_path / "good.npz").read_bytes(), (tmp_path / "good.npy").read_bytes()
    flipped = bytearray(npz)
    flipped[len(npz) // 2] ^= 255
    huge = npy.replace(b"(20, 6, 5), }      ", b"(2000000, 6, 5), } ")
    assert len(huge) == len(npy) and huge != npy
    broken = {
        "empty.npz": b"",
        "garbage.npz": b"garbage" * 20,
        "cut.npz": npz[:-30],
        "flipped.npz": bytes(flipped),
        "renamed.npz": npy,
        "empty.npy": b"",
        "garbage.npy": b"garbage" * 20,
        "cut.npy": npy[:-1],
        "huge.npy": huge,
        "renamed.npy": npz,
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name}: cannot be read as NumPy arrays"):
            load(tmp_path / name)


# --- pictures ---


def save(path, x, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x).save(path, **options)


def test_folder_of_class_folders(tmp_path):
    for k, name in enumerate(["2", "10", "cat"]):  # numbers by value, before words
        for i in range(4):
            save(tmp_path / "set" / name / f"{i}.png", np.full((5, 4), 10 * k + i, np.uint8))
    (tmp_path / "set" / ".hidden").mkdir()
    (tmp_path / "set" / "2" / "notes.txt").write_text("no picture")
    (tmp_path / "set" / "2" / "._0.png").write_text("what some systems leave behind")
    train, test = both(tmp_path / "set")
    assert train.classes == ("2", "10", "cat") and train.image_shape == (1, 5, 4)
    assert (len(train), len(test)) == (11, 1)
    for part in (train, test):
        assert np.array_equal(part.images[:, 0, 0, 0] // 10, part.labels)
    values = sorted(np.concatenate([train.images[:, 0, 0, 0], test.images[:, 0, 0, 0]]).tolist())
    assert values == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]


def test_folder_with_train_and_test(tmp_path):
    for split, value in (("train", 1), ("test", 2)):
        for name in "ab":
            save(tmp_path / split / name / "x.png", np.full((3, 3), value, np.uint8))
    train, test = both(tmp_path)
    assert (train.images == 1).all() and (test.images == 2).all()
    assert train.labels.tolist() == test.labels.tolist() == [0, 1]
    save(tmp_path / "test" / "c" / "x.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match="only one of them has c"):
        load(tmp_path)


def test_colour_transparency_and_formats(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    clear = np.zeros((4, 4, 4), np.uint8)  # black, wholly transparent
    save(tmp_path / "a.png", red)
    save(tmp_path / "b.png", clear)
    save(tmp_path / "c.BMP", np.full((4, 4), 9, np.uint8))
    save(tmp_path / "d.webp", red, lossless=True)
    save(tmp_path / "e.jpg", np.full((4, 4), 99, np.uint8))
    train, test = both(tmp_path)
    images = np.concatenate([train.images, test.images])
    assert train.labels is None and train.image_shape == (3, 4, 4)
    colours = sorted(tuple(x.reshape(3, -1).mean(1).round().astype(int)) for x in images)
    assert colours == [(9, 9, 9), (99, 99, 99), (200, 0, 0), (200, 0, 0), (255, 255, 255)]


def test_grey_kinds_and_turned_photographs(tmp_path):
    x = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(x.astype(np.uint16) << 8).save(tmp_path / "a.png")  # 16 bits
    turned = Image.fromarray(np.rot90(x).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    turned.save(tmp_path / "b.png", exif=exif)
    train, test = both(tmp_path)
    assert np.array_equal(train.images[0, 0], x) and np.array_equal(test.images[0, 0], x)


def test_sizes(tmp_path):
    gradient = np.tile(np.arange(40, dtype=np.uint8) * 5, (20, 1))
    save(tmp_path / "a.png", gradient)
    save(tmp_path / "b.png", gradient[:, :30])
    with pytest.raises(ValueError, match=r"a.png is 20x40, .*b.png is 20x30 .*give image_size"):
        load(tmp_path)
    assert load(tmp_path, image_size=8).image_shape == (1, 8, 8)
    train = load(tmp_path, image_size=(4, 8))
    assert train.image_shape == (1, 4, 8)
    assert 60 < train.images.mean() < 140  # resized, not cut from a corner
    for size in (0, -1, 2.5, (3,), (3, 0), True):
        with pytest.raises(ValueError, match="image_size"):
            load(tmp_path, image_size=size)


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: holds no pictures .*and no IDX files"):
        load(tmp_path / "empty")
    save(tmp_path / "mixed" / "a.png", BYTES[0])
    save(tmp_path / "mixed" / "class" / "b.png", BYTES[0])
    with pytest.raises(ValueError, match="put every picture into a class folder"):
        load(tmp_path / "mixed")
    save(tmp_path / "broken" / "a.png", BYTES[0])
    good = (tmp_path / "broken" / "a.png").read_bytes()
    for data in (b"", b"no picture", good[: len(good) // 2]):
        (tmp_path / "broken" / "b.png").write_bytes(data)
        with pytest.raises(ValueError, match=r"b.png: cannot be read as a picture"):
            load(tmp_path / "broken")
    save(tmp_path / "single" / "a.png", BYTES[0])
    with pytest.raises(ValueError, match="at least 2"):
        load(tmp_path / "single")
