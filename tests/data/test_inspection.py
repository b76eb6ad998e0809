"""What `minigen data inspect` knows of a data set, beside what `load` gives; every file that is refused, by name."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from minigen.data import inspection, load, stored
from minigen.data.inspection import inspect_data

RNG = np.random.default_rng(0)


def write(path, x, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x).save(path, **options)


def pictures(root, n=12, shape=(6, 5, 3)):
    for k in range(n):
        write(root / f"{k:02}.png", RNG.integers(0, 256, shape, dtype=np.uint8))
    return root


def same_as_loaded(found, path, **options):
    """Count, shape, type, range, extremes, mean and classes are those of both splits that are loaded."""
    parts = {split: load(path, split=split, **options) for split in ("train", "test")}
    assert found.refused == [] and found.splits == {split: len(part) for split, part in parts.items()}
    train = parts["train"]
    assert found.shape == train.image_shape and found.value_range == train.value_range
    assert found.dtype == str(train.images.dtype) and found.nbytes == sum(p.images.nbytes for p in parts.values())
    x = np.concatenate([part.images_float() for part in parts.values()])
    np.testing.assert_allclose(found.mean_image, x.mean(0, dtype=np.float64), rtol=1e-6)  # x is float32
    assert found.low == pytest.approx(x.min(), abs=1e-7) and found.high == pytest.approx(x.max(), abs=1e-7)
    if train.labels is None:
        assert found.classes is None
    else:
        counts = {s: np.bincount(p.labels, minlength=len(train.classes)) for s, p in parts.items()}
        wanted = {name: {s: c[k] for s, c in counts.items()} for k, name in enumerate(train.classes)}
        assert found.classes == wanted
    assert set(train.notes) <= {*found.notes} | {"2 files of several pictures: the first of each is read"}


@pytest.mark.parametrize(
    "options",
    [{}, {"image_size": "4x7", "image_fit": "pad"}, {"image_channels": 1}, {"image_range": "10:200"}],
    ids=["plain", "padded", "grey", "range"],
)
def test_a_folder_is_described_as_it_is_loaded(tmp_path, options):
    same_as_loaded(inspect_data(str(pictures(tmp_path)), options), tmp_path, **options)


def test_class_folders_and_tables_of_labels(tmp_path):
    for split in ("train", "test"):
        for kind in ("ant", "bee"):
            pictures(tmp_path / split / kind, 4 if split == "train" else 2)
    same_as_loaded(inspect_data(str(tmp_path), {}), tmp_path)
    flat = pictures(tmp_path / "flat")
    (flat / "labels.csv").write_text("".join(f"{k:02},{k % 3}\n" for k in range(12)))
    options = {"labels": "labels.csv"}
    found = inspect_data(str(flat), options)
    same_as_loaded(found, flat, **options)
    assert sum(sum(counts.values()) for counts in found.classes.values()) == 12


def test_whether_images_stay_in_their_files_is_what_load_does(tmp_path, monkeypatch):
    x = RNG.integers(0, 256, (30, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=x)
    np.save(tmp_path / "a.npy", x)
    pictures(tmp_path / "folder")
    for above in (1, 1 << 20):
        monkeypatch.setattr(inspection, "STREAMED_ABOVE", above)
        monkeypatch.setattr(stored, "STREAMED_ABOVE", above)
        for name in ("a.npz", "a.npy", "folder"):
            path = str(tmp_path / name)
            left = isinstance(load(path).images, stored.StoredImages)
            assert inspect_data(path, {}).streamed == left == (above == 1 and name != "a.npz")


def test_arrays_archives_and_named_data(tmp_path):
    x = RNG.integers(0, 256, (30, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=x, labels=np.arange(30) % 3)
    same_as_loaded(inspect_data(str(tmp_path / "a.npz"), {}), tmp_path / "a.npz")
    floats = x[..., None] / np.float32(127.5) - 1
    np.save(tmp_path / "f.npy", floats)
    same_as_loaded(inspect_data(str(tmp_path / "f.npy"), {}), tmp_path / "f.npy")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for k, image in enumerate(x):
            out = io.BytesIO()
            Image.fromarray(image).save(out, "PNG")
            for name, data in ((f"{k}.png", out.getvalue()), (f"{k}.cls", str(k % 3).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    same_as_loaded(inspect_data(str(tmp_path / "a.tar"), {}), tmp_path / "a.tar")
    same_as_loaded(inspect_data("ring", {}), "ring")


def test_every_file_that_is_refused_is_named(tmp_path):
    pictures(tmp_path)
    (tmp_path / "03.png").write_bytes(b"no picture")
    (tmp_path / "07.png").write_bytes((tmp_path / "08.png").read_bytes()[:80])
    write(tmp_path / "09.tif", np.full((6, 5), 0.5, np.float32))
    found = inspect_data(str(tmp_path), {})
    assert [refusal.name for refusal in found.refused] == ["03.png", "07.png", "09.tif"]
    assert "it has no format that Pillow knows" in found.refused[0].reason
    assert "image_range (--image-range LOW:HIGH)" in found.refused[2].reason
    assert found.shape == (3, 6, 5) and found.count == 13 and found.sizes[6, 5] == 11
    with pytest.raises(ValueError, match=r"0[379]\.(png|tif): cannot be read"):
        load(tmp_path)


def test_what_keeps_all_from_being_read(tmp_path):
    pictures(tmp_path)
    write(tmp_path / "large.png", np.zeros((20, 20), np.uint8))
    (tmp_path / "labels.csv").write_text("a,b,c\n00,1,2\n")
    found = inspect_data(str(tmp_path), {"labels": "labels.csv"})
    reasons = [refusal.reason for refusal in found.refused if not refusal.name]
    assert reasons[0].startswith("pictures of different sizes: 6x5 (12), 20x20 (1); give image_size")
    assert "which column has the labels?" in reasons[1] and len(reasons) == 2
    assert found.shape is None and found.mean is None and found.nbytes == 0
    assert inspect_data(str(tmp_path), {"image_size": 8}).refused == []
    mixed = inspect_data(str(tmp_path), {"image_range": "0:1"})
    assert mixed.refused[0].reason.startswith("pictures of different sizes")
    write(tmp_path / "sixteen.png", np.zeros((6, 5), np.uint16))
    (reason,) = (r.reason for r in inspect_data(str(tmp_path), {"image_range": "0:9", "image_size": 3}).refused)
    assert reason.startswith("image_range: the pictures store 16-bit and 8-bit values")
    (tmp_path / "class").mkdir()
    write(tmp_path / "class" / "1.png", np.zeros((6, 5), np.uint8))
    (whole,) = inspect_data(str(tmp_path), {}).refused
    assert "holds pictures (00.png) beside folders with pictures (class)" in whole.reason
    one = pictures(tmp_path / "one", 1)
    assert "1 image cannot be split into train and test" in inspect_data(str(one), {}).refused[0].reason
    with pytest.raises(FileNotFoundError):
        inspect_data(str(tmp_path / "no"), {})


def test_kinds_of_pictures_are_counted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = RNG.integers(0, 256, (6, 6), dtype=np.uint8)
    write(tmp_path / "turned.png", grey, exif=exif)
    write(tmp_path / "alpha.png", RNG.integers(0, 256, (6, 6, 4), dtype=np.uint8))
    write(tmp_path / "sixteen.png", grey.astype(np.uint16) * 200)
    Image.fromarray(RNG.integers(0, 256, (6, 6, 4), dtype=np.uint8), "CMYK").save(tmp_path / "four.tif")
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    write(tmp_path / "flat.png", np.full((6, 6), 8, np.uint8))
    kinds = inspect_data(str(tmp_path), {}).kinds
    assert {key: n for key, n in kinds.items() if n} == {
        "grey": 3, "RGB": 2, "CMYK": 1, "8-bit": 5, "16-bit": 1, "with transparent pixels": 1,
        "turned by EXIF data": 1, "of several frames, the first is read": 1, "of one value alone": 1,
    } or kinds["grey"] == 4  # Pillow opens a GIF as grey, or with a palette  # fmt: skip


def test_copies_and_those_that_join_the_splits(tmp_path):
    for split, n in (("train", 5), ("test", 2)):
        pictures(tmp_path / split, n)
    data = (tmp_path / "train" / "01.png").read_bytes()
    (tmp_path / "train" / "10.png").write_bytes(data)
    Image.open(io.BytesIO(data)).save(tmp_path / "test" / "10.bmp")  # another file of the same pixels
    found = inspect_data(str(tmp_path), {})
    assert found.copies == [("train/10.png", "train/01.png"), ("test/10.bmp", "train/01.png")] and found.leaks == 1
    x = np.stack([np.full((4, 4), k % 7 * 30, np.uint8) for k in range(20)])
    np.save(tmp_path / "x.npy", x)
    arrays = inspect_data(str(tmp_path / "x.npy"), {})
    assert len(arrays.copies) == 13 and arrays.leaks == 2  # both test images are those of training images, too
    assert inspect_data(str(pictures(tmp_path / "distinct")), {}).copies == []
