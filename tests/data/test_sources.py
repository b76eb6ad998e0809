"""`load` by name: where files are looked for, what is said when they are not right, and the real data where it is."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from minigen.data import DownloadError, download, load

REAL = os.environ.get("MINIGEN_DATA")


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """No data folder, an empty cache, and no mirror: nothing leaves this machine."""
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    nowhere = {k: download.Remote(("http://127.0.0.1:9/",), v.files) for k, v in download.REMOTES.items()}
    for name, remote in nowhere.items():
        monkeypatch.setitem(download.REMOTES, name, remote)


def write_idx(path, x, packed=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = bytes([0, 0, 8, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape) + x.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)


def write_set(folder, value, packed=False):
    """Four files as MNIST's: 6 + 4 images, all of them `value`."""
    end = ".gz" if packed else ""
    for stem, n in (("train", 6), ("t10k", 4)):
        write_idx(folder / f"{stem}-images-idx3-ubyte{end}", np.full((n, 5, 5), value), packed)
        write_idx(folder / f"{stem}-labels-idx1-ubyte{end}", np.arange(n), packed)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("how", ["data_dir", "MINIGEN_DATA"])
def test_named_folder_with_sub_folders(tmp_path, monkeypatch, how, packed):
    write_set(tmp_path / "data" / "mnist", 100, packed)
    write_set(tmp_path / "data" / "fashion-mnist", 200, packed)
    options = {"data_dir": tmp_path / "data"} if how == "data_dir" else {}
    if not options:
        monkeypatch.setenv("MINIGEN_DATA", str(tmp_path / "data"))
    train, test = load("mnist", **options), load("mnist", split="test", **options)
    assert (len(train), len(test), train.name, test.split) == (6, 4, "mnist", "test")
    assert (train.images == 100).all() and test.labels.tolist() == [0, 1, 2, 3]
    fashion = load("fashion-mnist", **options)
    assert (fashion.images == 200).all() and fashion.classes[9] == "Ankle boot"


def test_the_folder_itself_but_not_that_of_another_set(tmp_path):
    write_set(tmp_path / "mnist", 100)
    assert len(load("mnist", data_dir=tmp_path / "mnist")) == 6
    assert load(tmp_path / "mnist").classes == tuple("0123456789")
    with pytest.raises(FileNotFoundError, match=r"no fashion-mnist files .*expected train-images-idx3-ubyte.gz"):
        load("fashion-mnist", data_dir=tmp_path / "mnist")


def test_no_checksum_is_asked_of_a_users_file_and_none_is_downloaded(tmp_path):
    write_set(tmp_path / "mnist", 7)  # by no means MNIST
    assert (load("mnist", data_dir=tmp_path).images == 7).all()


def test_one_set_of_idx_files_is_split_and_colour_is_turned(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3))
    write_idx(tmp_path / "set" / "rgb4-images-idx4-ubyte.gz", x, packed=True)
    write_idx(tmp_path / "set" / "rgb4-labels-idx1-ubyte.gz", np.arange(30), packed=True)
    train = load(tmp_path / "set")
    test = load("set", split="test", data_dir=tmp_path)  # a sub-folder of the data folder, by name
    assert (len(train), len(test), train.name) == (27, 3, "set")
    for part in (train, test):
        assert np.array_equal(part.images.transpose(0, 2, 3, 1), x[part.labels])
    write_idx(tmp_path / "set" / "other-images-idx3-ubyte", x[..., 0])
    with pytest.raises(ValueError, match=r"several sets of images \(other, rgb4\)"):
        load(tmp_path / "set")


def test_count_mismatch_names_both_files(tmp_path):
    write_set(tmp_path / "mnist", 1)
    write_idx(tmp_path / "mnist" / "train-labels-idx1-ubyte", np.arange(5))
    with pytest.raises(ValueError, match="train-images.*train-labels.*: 6 images but 5 labels|none is above 1"):
        load("mnist", data_dir=tmp_path)
    write_idx(tmp_path / "mnist" / "train-images-idx3-ubyte", np.full((6, 5, 5), 9))
    with pytest.raises(ValueError, match="train-images.*train-labels.*: 6 images but 5 labels"):
        load("mnist", data_dir=tmp_path)


def test_half_a_set(tmp_path):
    write_set(tmp_path / "mnist", 9)
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte"):
        load("mnist", split="test", data_dir=tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_binarised_text(tmp_path, packed):
    bits = np.random.default_rng(0).integers(0, 2, (3, 784))
    text = "".join(" ".join(map(str, row)) + "\n" for row in bits).encode()
    for split in ("train", "valid", "test"):
        path = tmp_path / "bits" / f"binarized_mnist_{split}.amat{'.gz' if packed else ''}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text) if packed else text)
    for split in ("train", "valid", "test"):
        data = load("binarized-mnist", split=split, data_dir=tmp_path / "bits")
        assert np.array_equal(data.images_float().reshape(3, 784), bits)
    assert len(load(tmp_path / "bits", split="valid")) == 3


def test_broken_binarised_text(tmp_path):
    line = ("0 1 " * 392)[:-1].encode() + b"\n"
    broken = {
        "cut": (line * 2 + line[:99], "line 3"),
        "two": (line + line.replace(b"1", b"2", 1) + line, "line 2"),
        "blank": (line + line.replace(b" ", b",", 1), "line 2"),
        "newline": (line[:-1] + b" ", "line 1"),
        "late": (line * 1500 + line.replace(b"1", b"x", 1), "line 1501"),
        "empty": (b"", "empty"),
    }
    path = tmp_path / "binarized_mnist_train.amat"
    for data, message in broken.values():
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            load("binarized-mnist", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("mnits", {}, ValueError, "unknown data set 'mnits': did you mean 'mnist'"),
        ("Glyphs", {}, ValueError, "did you mean 'glyphs'"),
        ("zzzz", {}, ValueError, "unknown data set 'zzzz': Known are glyphs, mnist"),
        ("", {}, ValueError, "unknown data set ''"),
        ("no/such/folder", {}, FileNotFoundError, "no file or folder no/such/folder"),
        ("absent.npz", {}, FileNotFoundError, "no file or folder absent.npz"),
        ("mnist", {"data_dir": "no/such"}, FileNotFoundError, "data_dir is no/such, which is no folder"),
        ("mnist", {"split": "dev"}, ValueError, "split is 'train' or 'test'"),
        ("mnist", {"split": "valid"}, ValueError, "got 'valid'"),
        ("mnist", {"letters": True}, ValueError, "letters is an option of 'glyphs'"),
        ("mnist", {"count": 5}, ValueError, "count is an option of 'glyphs'"),
        ("mnist", {"image_size": 5}, ValueError, "image_size is an option of folders"),
        ("glyphs", {"image_size": 5}, ValueError, "image_size is an option of folders"),
        (__file__, {}, ValueError, "not a folder, a .npy, .npz, .tar or .parquet file"),
    ],
)
def test_wrong_requests(name, options, error, message):
    with pytest.raises(error, match=message):
        load(name, **options)


def test_wrong_environment(monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", "no/such")
    with pytest.raises(FileNotFoundError, match="MINIGEN_DATA is no/such"):
        load("mnist")


def test_no_network_names_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))  # has no mnist
    with pytest.raises(DownloadError) as caught:
        load("mnist")
    text = str(caught.value)
    for part in ("train-images-idx3-ubyte.gz", "127.0.0.1:9", "--data-dir", "MINIGEN_DATA", "--dataset glyphs"):
        assert part in text
    assert "\n" not in text


@pytest.mark.skipif(not REAL, reason="MINIGEN_DATA names no folder with the real data sets")
class TestRealData:
    """Against what the data sets' own pages say: counts, label histograms, first labels, mean and spread."""

    @pytest.mark.parametrize(
        ("name", "split", "n", "mean", "first"),
        [
            ("mnist", "train", 60_000, 0.1307, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]),
            ("mnist", "test", 10_000, 0.1325, [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]),
            ("fashion-mnist", "train", 60_000, 0.2860, [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
            ("fashion-mnist", "test", 10_000, 0.2868, [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]),
        ],
    )
    def test_idx(self, name, split, n, mean, first):
        if not (Path(REAL) / name).is_dir():
            pytest.skip(f"MINIGEN_DATA has no folder {name}")
        data = load(name, split=split, data_dir=REAL)
        assert data.images.shape == (n, 1, 28, 28)
        assert data.images.mean() / 255 == pytest.approx(mean, abs=5e-5)  # the pages give four digits
        assert data.labels[:10].tolist() == first

    def test_binarised(self):
        if not (Path(REAL) / "binarized-mnist").is_dir():
            pytest.skip("MINIGEN_DATA has no folder binarized-mnist")
        data = load("binarized-mnist", split="test", data_dir=REAL)
        assert data.images.shape == (10_000, 1, 28, 28)
        assert int((data.images == 255).sum()) == 1_038_896

    def test_colour(self):
        if not (Path(REAL) / "sign-language-digits").is_dir():
            pytest.skip("MINIGEN_DATA has no folder sign-language-digits")
        train = load("sign-language-digits", data_dir=REAL)
        test = load("sign-language-digits", split="test", data_dir=REAL)
        assert len(train) + len(test) == 2062 and train.image_shape == (3, 32, 32)
        histogram = np.bincount(np.concatenate([train.labels, test.labels]))
        assert histogram.tolist() == [205, 206, 206, 206, 207, 207, 207, 206, 208, 204]
