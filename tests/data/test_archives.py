"""Tar archives: what they may hold, and everything that may be wrong with them."""

import gzip
import tarfile

import numpy as np
import pytest
from data.layouts import NAMES, add, drawn, first_pixels, png, whole, write_tar

from minigen.data import load

STREAM = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


def damaged(path, x, y, change):
    write_tar(path, x, y)
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))


@STREAM
@pytest.mark.parametrize(
    ("change", "message"),
    {
        "cut in a picture": (lambda b: b[:2000], "cannot be read as a tar archive"),
        "cut in a header": (lambda b: b[: 1024 * 2 + 100], "is damaged at byte|ends without the mark"),
        "cut between members": (lambda b: b[: 1024 * 4], "ends without the mark of an end, after 4 members"),
        "a damaged header": (
            lambda b: b[:2048] + b"\xff" * 512 + b[2560:],
            "at byte 2,048, after 2 members",
        ),
        "two archives in one": (lambda b: b + b, "put together with cat"),
        "empty": (lambda b: b"", "empty file|cannot be read as a tar"),
        "text": (lambda b: b"hello" * 500, "cannot be read as a tar archive"),
        "gzip": (lambda b: gzip.compress(bytes(b)), "is compressed .gzip."),
    }.values(),
)
def test_damaged_archives_are_refused(tmp_path, stream, change, message):
    damaged(tmp_path / "a.tar", *drawn(9), change)
    with pytest.raises(ValueError, match=f"a.tar.*({message})"):
        load(tmp_path / "a.tar", stream=stream)


@STREAM
def test_what_an_archive_may_hold(tmp_path, stream):
    x, _ = drawn(6)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for k, one in enumerate(x):
            add(archive, f"./deep/{k}.JPG.png", png(one))
            add(archive, f"./deep/{k}.json", b'{"label": "name %d", "other": 3}' % (k % 2))
            add(archive, f"./deep/._{k}.png", b"of a Mac")
        add(archive, "read me.txt", b"text")
        add(archive, "lonely.cls", b"7")
    values, notes = whole(tmp_path / "a.tar", stream=stream)
    assert values == first_pixels(x)
    assert notes == ("2 files in archives passed over, which are no pictures or labels",)
    found = load(tmp_path / "a.tar", stream=stream)
    assert found.classes == ("name 0", "name 1") and found.name == "a"


@STREAM
@pytest.mark.parametrize(
    ("members", "message"),
    {
        "a label missing": ([("a.png", 0), ("a.cls", b"1"), ("b.png", 1)], "b.png: has no label"),
        "two pictures": ([("a.png", 0), ("a.jpg", 1)], "a.png and a.jpg are two pictures of one sample"),
        "a bad label": ([("a.png", 0), ("a.json", b"{")], "a.json: cannot be read as a label"),
        "a label of pixels": (
            [("a.png", 0), ("a.json", b'{"label": [1]}')],
            r"must be whole numbers, bools or texts, got \[1\]",
        ),
        "no pictures": ([("a.cls", b"1")], "holds no pictures"),
        "a damaged picture": ([("a.png", 0), ("b.png", b"?")], "b.png: cannot be read as a picture"),
        "another size": ([("a.png", 0), ("b.png", png(np.zeros((2, 9, 3), np.uint8)))], "different sizes.*6x5.*2x9"),
    }.values(),
)
def test_what_an_archive_may_not_hold(tmp_path, stream, members, message):
    x, _ = drawn(6)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in members:
            add(archive, name, png(x[data]) if isinstance(data, int) else data)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.tar", stream=stream)


def test_links_folders_and_empty_archives(tmp_path):
    x, y = drawn(9)
    for k, part in enumerate([x[:4], x[:0], x[4:]]):
        write_tar(tmp_path / f"a-{k}.tar", part, first=10 * k)
    values, notes = whole(tmp_path)
    assert values == first_pixels(x) and notes == ("1 archive without a picture",)
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        for k, one in enumerate(x):
            add(archive, f"{NAMES[y[k]]}/{k}.png", png(one))
    (note,) = whole(tmp_path / "b.tar")[1]
    assert note == "no labels: the 3 folders in the archives are no classes; for that, unpack them"
    with tarfile.open(tmp_path / "b.tar", "a") as archive:
        link = tarfile.TarInfo("new.png")
        link.type, link.linkname = tarfile.SYMTYPE, "ant/0.png"
        archive.addfile(link)
    with pytest.raises(ValueError, match=r"new.png: is a link"):
        load(tmp_path / "b.tar")


def test_samples_as_other_programs_write_them(tmp_path):
    x, _ = drawn(12)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:  # as `tar -cf a.tar .` names the members
        for k, one in enumerate(x):
            add(archive, f"./{NAMES[k % 3]}/{k // 3}.png", png(one))
            add(archive, f"./.trash/{k}.png", b"of a hidden folder")
    (tmp_path / "labels.csv").write_text("".join(f"{NAMES[k % 3]}/{k // 3}.png,{k % 2}\n" for k in range(12)))
    found = load(tmp_path / "a.tar", labels=str(tmp_path / "labels.csv"))
    by_pixels = {png(one): k % 2 for k, one in enumerate(x)}
    assert [by_pixels[png(i.transpose(1, 2, 0))] for i in found.images] == found.labels.tolist()
    for jsons, classes in {
        (b"[[1, 2, 3, 4]]", b'{"caption": "a"}', b'{"label": null}', b"null"): None,
        (b'{"label": 1.0}', b'{"label": 2}', b'{"cls": "1"}', b'{"label": null, "y": 2}'): ("1", "2"),
        (b'{"label": true}', b'{"label": false}'): ("False", "True"),
    }.items():
        with tarfile.open(tmp_path / "b.tar", "w") as archive:
            for k, one in enumerate(x):
                add(archive, f"{k}.json", jsons[k % len(jsons)])
                add(archive, f"{k}.png", png(one))
        assert load(tmp_path / "b.tar").classes == classes
    for text, name in ((b"\xef\xbb\xbf7\n", "7"), (b"1" * 5000, "1" * 5000), (b"007", "7")):
        with tarfile.open(tmp_path / "c.tar", "w") as archive:
            for k, one in enumerate(x):
                add(archive, f"{k}.png", png(one))
                add(archive, f"{k}.cls", text)  # wins over .json, whatever that holds
                add(archive, f"{k}.json", b'{"label": {"a": 1}}')
        assert load(tmp_path / "c.tar").classes == (name,)


def test_folders_named_after_splits(tmp_path):
    x, y = drawn(9)
    for split, part in {"train": slice(0, 5), "Validation": slice(5, 9)}.items():
        (tmp_path / split).mkdir()
        write_tar(tmp_path / split / "0000.tar", x[part], y[part])
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert (train.images == x[:5].transpose(0, 3, 1, 2)).all() and (test.images == x[5:].transpose(0, 3, 1, 2)).all()
    assert train.notes == ("the images for validation are the test set, since there is no other",)
    (tmp_path / "test").mkdir()
    write_tar(tmp_path / "test" / "0000.tar", x[3:6], y[3:6])
    test = load(tmp_path, split="test")
    assert (test.images == x[3:6].transpose(0, 3, 1, 2)).all()
    assert test.notes == ("1 file of the split for validation passed over",)


def test_compressed_archives_say_how_to_unpack(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"unpack it and name the folder: python -m tarfile -e .*a.tar.gz .*/a"):
        load(tmp_path / "a.tar.gz")
