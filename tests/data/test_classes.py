"""The classes of a data set: the labels that occur in the whole of it, numbered from 0, with their own names."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.data import Dataset, load

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)


def parts_of(path):
    return [load(path, split=split) for split in ("train", "test")]


LABELS = {
    "from 1": (np.arange(60) % 26 + 1, [str(k) for k in range(1, 27)]),
    "gap": (np.arange(60) % 2 * 7, ["0", "7"]),
    "negative": (np.arange(60) % 3 - 1, ["-1", "0", "1"]),
    "words": (np.array(["cat", "ant", "10", "9"])[np.arange(60) % 4], ["9", "10", "ant", "cat"]),
    "bytes": (np.array([b"cat", b"ant"])[np.arange(60) % 2], ["ant", "cat"]),
    "bool": (np.arange(60) % 2 == 0, ["False", "True"]),
    "floats": (np.arange(60) % 3 + 1.0, ["1", "2", "3"]),
    "large": (np.arange(60, dtype=np.uint64) % 2 * np.uint64(2**64 - 1), ["0", str(2**64 - 1)]),
    "column": (np.arange(60)[:, None] % 3, ["0", "1", "2"]),
    "only one": (np.full(60, 5), ["5"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_are_numbered_and_keep_their_names(tmp_path, case):
    labels, names = LABELS[case]
    np.savez(tmp_path / "d.npz", images=IMAGES, labels=labels)
    of = {x.tobytes(): str(y) for x, y in zip(IMAGES, labels.reshape(-1).tolist(), strict=True)}
    for part in parts_of(tmp_path / "d.npz"):
        assert part.classes == tuple(names) and part.class_count == len(names) and part.labels.dtype == np.int64
        for x, y in zip(part.images, part.labels, strict=True):
            original = of[x.tobytes()]
            assert names[y] in (original, original.removesuffix(".0"), original.removeprefix("b'").removesuffix("'"))


def test_a_rare_class_has_its_number_in_each_part(tmp_path):
    for rare in range(60):  # wherever it is held out
        labels = np.where(np.arange(60) == rare, "rare", "usual")
        np.savez(tmp_path / "d.npz", images=IMAGES, labels=labels)
        train, test = parts_of(tmp_path / "d.npz")
        assert train.classes == test.classes == ("rare", "usual")
        assert sorted([*train.labels, *test.labels]) == [0] + [1] * 59


@settings(max_examples=40)  # each of them writes files
@given(
    kind=st.sampled_from(["i8", "U", "f4", "?"]),
    values=st.lists(st.integers(-300, 300), min_size=2, max_size=12),
    seen=st.integers(1, 11),
)
def test_no_class_is_invented_and_none_is_lost(tmp_path_factory, kind, values, seen):
    """Splits of their own, with any labels: the classes of both are those of the two together."""
    path = tmp_path_factory.mktemp("labels") / "d.npz"
    cut = min(seen, len(values) - 1)
    y = np.array(values).astype(kind)
    np.savez(path, x_train=IMAGES[:cut], y_train=y[:cut], x_test=IMAGES[cut : len(y)], y_test=y[cut:])
    train, test = parts_of(path)
    assert train.classes == test.classes and len(train.classes) == len(set(y.tolist()))
    names = np.array(train.classes)
    told = [str(int(v)) if kind in ("i8", "f4") else str(v) for v in y.tolist()]
    assert [*names[train.labels], *names[test.labels]] == told


@pytest.mark.parametrize("name", ["label", "labels", "y", "targets", "target", "classes", "Labels"])
def test_names_of_label_arrays(tmp_path, name):
    np.savez(tmp_path / "d.npz", images=IMAGES, **{name: np.arange(60)})
    assert load(tmp_path / "d.npz").classes == tuple(map(str, range(60)))


def test_arrays_that_are_not_used_are_named(tmp_path):
    np.savez(tmp_path / "d.npz", images=IMAGES, y_train=np.arange(60), ages=np.arange(60))
    data = load(tmp_path / "d.npz")
    assert data.labels is None
    assert data.notes == ("not used of d.npz: y_train, ages (labels are called labels, y, label, targets)",)
    np.savez(tmp_path / "d.npz", x_train=IMAGES, x_test=IMAGES, y_train=np.arange(60), x_valid=IMAGES)
    assert load(tmp_path / "d.npz").notes == ("not used of d.npz: x_valid",)


def write_idx(path, x):
    data = bytes([0, 0, 8, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape) + x.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data))


def test_emnist_letters(tmp_path):
    """File names with the name of the set before the split, and labels from 1."""
    for split, some in (("train", IMAGES[:40]), ("test", IMAGES[40:])):
        write_idx(tmp_path / f"emnist-letters-{split}-images-idx3-ubyte.gz", some)
        write_idx(tmp_path / f"emnist-letters-{split}-labels-idx1-ubyte.gz", np.arange(len(some)) % 26 + 1)
    train, test = parts_of(tmp_path)
    assert (len(train), len(test)) == (40, 20) and train.classes == test.classes == tuple(map(str, range(1, 27)))
    assert np.array_equal(train.labels, np.arange(40) % 26)
    write_idx(tmp_path / "emnist-digits-train-images-idx3-ubyte.gz", IMAGES)
    with pytest.raises(ValueError, match=r"several sets of images \(emnist-digits-train, emnist-letters-test, "):
        load(tmp_path)


def test_the_rules_of_old_runs(tmp_path):
    np.savez(tmp_path / "d.npz", images=IMAGES / 255 - 1e-7, labels=np.arange(60) % 3 + 1, label=np.arange(60))
    old = load(tmp_path / "d.npz", rules=1)
    assert old.value_range == (-1, 1) and set(old.labels) == {1, 2, 3} and old.classes is None and old.class_count == 4


def test_drawn_parts_have_each_class():
    data = Dataset("d", "train", np.zeros((90, 1, 2, 2), np.uint8), np.arange(90) // 30)
    assert (
        set(data.labels[data.random_indices(3)]) == {0, 1, 2}
        and len(set(data.random_indices(90))) == 90
        and len(data.random_indices(99)) == 90
    )
    assert np.array_equal(data.random_indices(10), data.random_indices(20)[:10]) and not np.array_equal(
        data.random_indices(9), data.random_indices(9, seed=1)
    )
    shares = np.bincount(data.labels[data.random_indices(45)])
    assert shares.min() >= 8, shares  # 15 of each are expected, with a standard deviation of 2.3
    sorted_photos = Dataset("d", "train", np.zeros((90, 1, 2, 2), np.uint8))
    assert np.ptp(sorted_photos.random_indices(9)) > 45  # not the first ones


@given(n=st.integers(1, 60), k=st.integers(1, 60), count=st.integers(1, 70), seed=st.integers(0, 2**64 - 1))
def test_drawn_is_a_choice_without_repetition(n, k, count, seed):
    labels = np.arange(n) * k // n
    data = Dataset("d", "train", np.zeros((n, 1, 1, 1), np.uint8), labels)
    chosen = data.random_indices(count, seed=seed)
    assert len(set(chosen)) == len(chosen) == min(n, count) and 0 <= chosen.min() <= chosen.max() < n
    assert len(set(labels[chosen])) == min(len(set(labels)), count)


@pytest.mark.parametrize("labels", [np.array([0, 1, -1, 0]), np.array([0, 1, 2, 0])])
def test_labels_that_are_no_class_numbers(labels):
    with pytest.raises(ValueError, match="class numbers from 0, got -1|a label is 2, but there are 2 classes"):
        Dataset("d", "train", np.zeros((4, 1, 2, 2), np.uint8), labels, ("a", "b"))
