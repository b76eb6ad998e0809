"""Data sets in several files: what belongs together, and everything that may be wrong with archives, tables, arrays."""

import os
from pathlib import Path

import numpy as np
import pytest
from data.layouts import drawn, first_pixels, whole, write, write_tar
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import load
from minigen.data.shards import expand, group_shards, split_files

STREAM = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


# Which files belong together.


@given(st.integers(1, 12), st.integers(1, 5), st.booleans(), st.sampled_from("-_."), st.data())
def test_numbered_files_come_in_order_and_a_missing_one_is_named(count, digits, total, mark, data):
    of = f"-of-{count:0{digits}}" if total else ""
    names = [f"train{mark}{k:0{digits}}{of}.tar" for k in range(count)]
    shuffled = data.draw(st.permutations(names))
    groups = group_shards([_path(name) for name in shuffled])
    assert [group.stem for group in groups] == ["train"] and [p.name for p in groups[0].files] == names
    missing = data.draw(st.integers(0, count - 1))
    rest = [_path(name) for k, name in enumerate(names) if k != missing]
    if rest and (total or 0 < missing < count - 1):  # without their number nobody knows of a first or last one
        with pytest.raises(ValueError, match=f"number {missing:0{digits}} is missing"):
            group_shards(rest)


def _path(name):
    return Path("folder") / name


def test_numbers_may_begin_at_1_and_names_may_end_in_a_number():
    assert len(group_shards([_path(f"a-{k}.tar") for k in (1, 2, 3)])[0].files) == 3
    assert group_shards([_path("cifar-10.tar")])[0].stem == "cifar"
    assert [group.stem for group in group_shards([_path("cats.tar"), _path("dogs.tar")])] == ["cats", "dogs"]
    hashed = [_path(f"train-{k:05}-of-00002-0123456789abcdef.parquet") for k in (0, 1)]
    assert len(group_shards(hashed)[0].files) == 2
    with pytest.raises(ValueError, match="number 00000, 00001 is missing"):
        group_shards([_path("x-00002.npy")])
    with pytest.raises(ValueError, match="number 0, 1 is missing"):
        group_shards([_path("x-2.npy"), _path("x-3.npy")])
    with pytest.raises(ValueError, match="have one number"):
        group_shards([_path("x-1.npy"), _path("x_1.npy"), _path("x_01.npy")])
    with pytest.raises(ValueError, match="different series: of 2 and of 3"):
        group_shards([_path("x-0-of-2.tar"), _path("x-1-of-3.tar")])


def test_splits_by_name():
    def split(*names):
        found, notes = split_files(group_shards([_path(f"{name}.tar") for name in names]), "here")
        return {k: [path.stem for path in files] for k, files in found.items()}, notes

    assert split("a-0", "a-1", "b") == ({"": ["a-0", "a-1", "b"]}, [])
    assert split("train-0", "train-1", "test") == ({"train": ["train-0", "train-1"], "test": ["test"]}, [])
    assert split("train") == ({"": ["train"]}, [])
    assert split("my_train", "my_val")[0] == {"train": ["my_train"], "test": ["my_val"]}
    assert split("train", "validation", "test")[1] == ["1 file of the split for validation passed over"]
    for names, message in {
        ("train", "more"): "train.tar is named after a split, more.tar is not",
        ("test",): "files of the split 'test' only",
        ("dev",): "for validation only",
    }.items():
        with pytest.raises(ValueError, match=message):
            split(*names)


def test_patterns(tmp_path, monkeypatch):
    x, y = drawn(24)
    folder = write("tar", tmp_path / "set", x, y, 4)
    names = {"data-{0000..0003}.tar": 4, "data-{0000..0001}.tar": 2, "data-*.tar": 4, "data-000[12].tar": 2}
    for pattern, count in {**names, "data-{0000,0001}.tar": 2, "{data-0002,data-0003}.tar": 2}.items():
        assert len(expand(str(folder / pattern))) == count
        assert len(whole(folder / pattern)[0]) == 6 * count
    monkeypatch.chdir(tmp_path)
    assert len(load("set/data-{0000..0003}.tar")) == 22
    assert len(load("data-*.tar", data_dir=folder)) == 22
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    monkeypatch.chdir("/")
    assert len(load("set/data-{0000..0003}.tar")) == 22
    with pytest.raises(FileNotFoundError, match=r"no file .*data-0004.tar \(of .*{0000..0004}"):
        load(str(folder / "data-{0000..0004}.tar"))
    with pytest.raises(FileNotFoundError, match=r"no file .*none-\*.tar"):
        load(str(folder / "none-*.tar"))
    (folder / "a.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="files of one kind"):
        load(str(folder / "*"))


@STREAM
@pytest.mark.parametrize("layout", ["tar", "parquet"])
def test_splits_that_the_data_have(tmp_path, layout, stream):
    x, y = drawn(12)
    write(layout, tmp_path / "a" / "train", x[:8], y[:8], 2)
    write(layout, tmp_path / "a" / "test", x[8:], y[8:], 1)
    train, test = (load(tmp_path / "a", split=split, stream=stream) for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 4) and train.classes == test.classes
    assert np.array_equal(np.asarray(test.images), x[8:].transpose(0, 3, 1, 2))
    assert np.array_equal(np.concatenate([train.labels, test.labels]), y)


@STREAM
def test_a_missing_shard_is_refused(tmp_path, stream):
    for layout in ("tar", "shards", "parquet"):
        folder = write(layout, tmp_path / layout, *drawn(30), 3)
        next(folder.glob({"tar": "*-0001.tar", "shards": "x-00001.npy", "parquet": "*-00001-*"}[layout])).unlink()
        with pytest.raises(ValueError, match="number 0+1 is missing"):
            load(folder, stream=stream)


# Arrays.


@STREAM
@pytest.mark.parametrize(
    ("change", "message"),
    {
        "another shape": (lambda x, y: ("x-00001.npy", x[:10, :, :4]), "one shape and type.*x-00000.npy.*x-00001.npy"),
        "another type": (lambda x, y: ("x-00001.npy", x[:10].astype("f4")), "one shape and type"),
        "more labels": (lambda x, y: ("y-00001.npy", y[:9]), "y-00001.npy: 9 labels for the 10 images of x-00001.npy"),
        "objects": (lambda x, y: ("x-00001.npy", np.array([None, 1])), "holds pickled Python objects"),
    }.values(),
)
def test_shards_that_do_not_fit(tmp_path, stream, change, message):
    x, y = drawn(30)
    folder = write("shards", tmp_path / "set", x, y, 3)
    name, array = change(x, y)
    np.save(folder / name, array)
    with pytest.raises(ValueError, match=message):
        load(folder, stream=stream)


@STREAM
def test_cut_shards_and_too_few_labels(tmp_path, stream):
    folder = write("shards", tmp_path / "set", *drawn(30), 3)
    path = folder / "x-00001.npy"
    data = path.read_bytes()
    for cut in (b"", data[:50], data[:-1], data + b"1"):
        path.write_bytes(cut)
        with pytest.raises(ValueError, match=r"x-00001.npy: cannot be read"):
            load(folder, stream=stream)
    path.write_bytes(data)
    (folder / "y-00002.npy").unlink()
    with pytest.raises(ValueError, match="2 files of labels .* but 3 of images"):
        load(folder, stream=stream)


@STREAM
def test_shards_of_splits_with_empty_ones_and_others(tmp_path, stream):
    x, y = drawn(30)
    for name, array in {
        "x_train-0": x[:9], "x_train-1": x[:0], "x_train-2": x[9:20], "x_test": x[20:], "Y_train": y[:20],
        "y_test": y[20:], "means": y[:3],
    }.items():  # fmt: skip
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "README.md").write_text("of these data")
    train, test = (load(tmp_path, split=split, stream=stream) for split in ("train", "test"))
    for found, some in ((train, slice(20)), (test, slice(20, None))):
        assert np.array_equal(np.asarray(found.images), x[some].transpose(0, 3, 1, 2))
        assert np.array_equal(found.labels, y[some])
    assert train.notes == (f"not used of {tmp_path.name}: README.md, means.npy", "without images: x_train-1.npy")


def test_fortran_order_is_read_into_memory_alone(tmp_path):
    x, _ = drawn(9)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    assert whole(tmp_path / "x.npy", stream=False)[0] == whole(tmp_path / "x.npy")[0] == first_pixels(x)
    with pytest.raises(ValueError, match="Fortran order.*np.ascontiguousarray"):
        load(tmp_path / "x.npy", stream=True)
    np.savez(tmp_path / "x.npz", images=x)
    with pytest.raises(ValueError, match="a .npz file is an archive"):
        load(tmp_path / "x.npz", stream=True)


# A folder of pictures is what it was.


@STREAM
def test_pictures_beside_archives_are_what_is_read(tmp_path, stream):
    x, y = drawn(9)
    folder = write("folder", tmp_path / "set", x, y)
    write_tar(folder / "more.tar", x[:2])
    np.save(folder / "x.npy", x[:2])
    values, notes = whole(folder, stream=stream)
    assert values == first_pixels(x) and notes == ("2 files passed over (.npy, .tar)",)


@STREAM
def test_links_and_files_that_cannot_be_read(tmp_path, stream):
    x, y = drawn(9)
    folder = write("folder", tmp_path / "set", x, y)
    (tmp_path / "linked").symlink_to(folder)
    assert whole(tmp_path / "linked", stream=stream)[0] == first_pixels(x)
    path = folder / "ant" / "0000.png"
    if os.geteuid():
        path.chmod(0)
        with pytest.raises(ValueError, match=r"0000.png: cannot be read \(Permission denied"):
            load(folder, stream=stream)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"0000.png: cannot be read \(it is no file\)"):
        load(folder, stream=stream)
