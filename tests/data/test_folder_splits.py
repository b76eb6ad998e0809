"""Folders of pictures in which folders are splits: train, val, test and what else they are called."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigen.data import load
from minigen.data.inspection import inspect_data
from minigen.data.shards import SPLITS

BOTH = ("train", "test")


def make(root, **folders):
    """Pictures of one value by folder (``__`` is a slash): their values, as ``train__cat=[1, 2]``."""
    for folder, values in folders.items():
        place = root / folder.replace("__", "/")
        place.mkdir(parents=True)
        for value in values:
            Image.fromarray(np.full((6, 5), value, np.uint8)).save(place / f"{value:03}.png")
    return root


def values(root, split="train", **options):
    return sorted(np.asarray(load(root, split=split, **options).images)[:, 0, 0, 0].tolist())


@pytest.mark.parametrize("held", ["test", "testing", "val", "valid", "validation", "dev", "Val", "TEST"])
@pytest.mark.parametrize("train", ["train", "training", "Train"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_names_of_splits(tmp_path, train, held, stream):
    make(tmp_path, **{f"{train}__cat": [1, 2], f"{train}__dog": [3], f"{held}__cat": [4], f"{held}__dog": [5]})
    assert values(tmp_path, stream=stream) == [1, 2, 3] and values(tmp_path, "test", stream=stream) == [4, 5]
    data = load(tmp_path, stream=stream)
    assert data.classes == ("cat", "dog") and sorted(data.labels) == [0, 0, 1]
    stands_in = SPLITS[held.lower()] == "valid"
    assert data.notes == (("the images for validation are the test set, since there is no other",) if stands_in else ())


def test_a_set_for_validation_beside_one_for_tests_is_passed_over_with_a_note(tmp_path):
    make(tmp_path, train=[1, 2], val=[3], test=[4], extra=[5])
    assert values(tmp_path) == [1, 2] and values(tmp_path, "test") == [4]
    assert load(tmp_path).notes == (
        "1 folder of the split for validation passed over", "passed over beside train and test: extra",
    )  # fmt: skip


def test_a_training_set_alone_gives_its_tenth(tmp_path):
    make(tmp_path, train__cat=[1, 2, 3], train__dog=[4, 5])
    assert sorted(values(tmp_path) + values(tmp_path, "test")) == [1, 2, 3, 4, 5]
    assert load(tmp_path).classes == ("cat", "dog")


def test_a_class_may_have_the_name_of_a_split(tmp_path):
    make(tmp_path, bus=[1], car=[2], train=[3, 4])
    assert load(tmp_path).classes == ("bus", "car", "train")


def test_folders_that_are_splits_but_give_none(tmp_path):
    make(tmp_path / "tests", test=[1, 2], val=[3])
    with pytest.raises(ValueError, match=r"tests: holds folders of the split 'test' only \(test\), none of 'train'"):
        load(tmp_path / "tests")
    make(tmp_path / "val", validation__cat=[1, 2])
    with pytest.raises(ValueError, match="val: holds folders for validation only"):
        load(tmp_path / "val")
    make(tmp_path / "twice", train=[1, 2], Train=[3], val=[4])
    with pytest.raises(ValueError, match="twice: Train and train are named after one split, 'train'; put the pictures"):
        load(tmp_path / "twice")
    make(tmp_path / "odd", training__cat=[1, 2], dev__dog=[4])
    with pytest.raises(ValueError, match="training and dev must hold the same class folders; only one .* has cat, dog"):
        load(tmp_path / "odd")
    make(tmp_path / "empty", train=[1, 2], val=[])
    with pytest.raises(ValueError, match="empty/val: holds no pictures"):
        load(tmp_path / "empty")


FOLDERS = st.lists(st.sampled_from(["train", "test", "val", "cat", "dog"]), min_size=1, unique=True)


@settings(max_examples=30)  # each of them writes files
@given(names=FOLDERS, split=st.sampled_from(["train", "test"]))
def test_the_rules_of_before_are_kept_for_the_runs_that_began_with_them(tmp_path_factory, names, split):
    root = make(tmp_path_factory.mktemp("set"), **{name: range(10 * k, 10 * k + 4) for k, name in enumerate(names)})
    old = load(root, split=split, rules=2)
    if {"train", "test"} <= {*names}:
        assert old.classes is None and np.array_equal(old.images, load(root, split=split).images)
    else:  # each folder was a class
        assert old.classes == tuple(sorted(names))
        assert sum(len(load(root, split=s, rules=2)) for s in BOTH) == 4 * len(names)


def test_inspection_says_what_the_splits_are(tmp_path):
    make(tmp_path, train__cat=[1, 2], train__dog=[3], val__cat=[4], val__dog=[3])
    found = inspect_data(str(tmp_path), {})
    assert found.splits == {"train": 3, "test": 2} and not found.drawn and not found.refused and found.leaks == 1
    assert found.classes == {"cat": {"train": 2, "test": 1}, "dog": {"train": 1, "test": 1}}
    assert found.notes == ["the images for validation are the test set, since there is no other"]
