"""Damaged files: either the right images come, or one ValueError that names the file; never anything else, and no
warning (they are errors in this suite)."""

import gzip
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigen.data import download, load, npy, read_idx, sources
from minigen.data.npy import read_npy

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 5), dtype=np.uint8)


def write(kind, path):
    """A sound file of that kind; what has to be loaded to read it."""
    if kind == "npy":
        np.save(path / "d.npy", IMAGES)
        return path / "d.npy"
    if kind in ("npz", "packed npz"):
        save = np.savez if kind == "npz" else np.savez_compressed
        save(path / "d.npz", images=IMAGES, labels=np.arange(12))
        return path / "d.npz"
    if kind == "idx.gz":
        data = bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()
        (path / "d-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
        return path / "d-images-idx3-ubyte.gz"
    for k, x in enumerate(IMAGES):
        Image.fromarray(x).save(path / f"{k:02}.png")
    return path / "03.png"


def read(file):
    """All images that are read, as bytes."""
    what = file if file.suffix in (".npy", ".npz") else file.parent
    return sorted(x.tobytes() for split in ("train", "test") for x in load(what, split=split).images)


RIGHT = sorted(x.tobytes() for x in IMAGES)


@pytest.mark.parametrize("kind", ["npz", "packed npz", "idx.gz", "png", "npy"])
@settings(max_examples=30)  # each of them writes files
@given(data=st.data())
def test_a_damaged_file_is_read_right_or_refused(tmp_path_factory, kind, data):
    """Files with checksums: a flipped bit anywhere. Those without (``.npy``): in the header, which is not believed."""
    file = write(kind, tmp_path_factory.mktemp("damage"))
    sound = bytearray(file.read_bytes())
    header = 128 if kind == "npy" else len(sound)
    if data.draw(st.booleans(), "cut"):
        damaged = sound[: data.draw(st.integers(0, len(sound) - 1), "length")]
    else:
        damaged = sound.copy()
        for place in data.draw(st.lists(st.integers(0, header - 1), min_size=1, max_size=3, unique=True), "places"):
            damaged[place] ^= data.draw(st.integers(1, 255), "bits")
    file.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = read(file)
        except (ValueError, FileNotFoundError) as error:
            assert str(file.parent) in str(error) and "\n" not in str(error)
            return
    if kind == "npy":  # the bytes of the images are all there, though another shape or type may be written before them
        assert b"".join(found) and len(b"".join(found)) == IMAGES.nbytes
    else:
        assert found == RIGHT


HEADERS = {
    "no dictionary": b"{'descr': ",
    "tokens": b"{'descr': '|u1', 'fortran_order': False, 'shape': (12, 5, 5), } (((",
    "type": b"{'descr': 5, 'fortran_order': False, 'shape': (12, 5, 5), }",
    "negative": b"{'descr': '|u1', 'fortran_order': False, 'shape': (-12, -25), }",
    "long of Python 2": b"{'descr': '|u1', 'fortran_order': False, 'shape': (12L, 5L, 5L), }",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (12,), }",
    "no size": b"{'descr': '|S0', 'fortran_order': False, 'shape': (12,), }",
    "deep": b"(" * 3000,
    "more than there is": b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000, 5, 5), }",
    "less than there is": b"{'descr': '|u1', 'fortran_order': False, 'shape': (11, 5, 5), }",
    "escape": b"{'descr': '\\d', 'fortran_order': False, 'shape': (12, 5, 5), }",
}


@pytest.mark.parametrize("case", HEADERS)
def test_odd_headers(tmp_path, case):
    text = HEADERS[case].ljust(117) + b"\n"
    file = tmp_path / "d.npy"
    file.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + IMAGES.tobytes())
    if case == "long of Python 2":
        assert read(file) == RIGHT
        return
    with pytest.raises(ValueError, match=r"d.npy: cannot be read as NumPy arrays \(.*\); save it again"):
        load(file)


@given(x=st.sampled_from(["<u1", ">u2", "<f4", ">f8", "<U3", "?"]), order=st.sampled_from("CF"), n=st.integers(0, 5))
def test_arrays_of_any_type_and_order_are_read_as_numpy_reads_them(tmp_path_factory, x, order, n):
    array = np.asarray(np.arange(n * 6).reshape(n, 2, 3).astype(x), order=order)
    path = tmp_path_factory.mktemp("npy") / "d.npy"
    np.save(path, array)
    with path.open("rb") as file:
        found = read_npy(file, path.stat().st_size)
    expected = np.load(path)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_a_file_that_is_shortened_while_it_is_read(tmp_path, monkeypatch):
    """A memory map of it would end the process."""
    path = tmp_path / "d.npy"
    np.save(path, np.zeros((4000, 64, 64), np.uint8))
    header, calls = npy._header, []

    def shortened(file):
        found = header(file)
        calls.append(file)
        if len(calls) == 2:  # the header is read once to know how much there is, then again with the numbers
            with path.open("r+b") as other:
                other.truncate(4096)
        return found

    monkeypatch.setattr(npy, "_header", shortened)
    with pytest.raises(ValueError, match=r"d.npy: cannot be read .*it ends after .* did another process write to it"):
        load(path)


def test_damaged_notes_of_a_camera_are_no_matter(tmp_path):
    x = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for k, exif in enumerate([b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0MM", b"\xff" * 40]):
        Image.fromarray(x + k).save(tmp_path / f"{k}.png", exif=exif)
    found = sorted(image.min() for split in ("train", "test") for image in load(tmp_path, split=split).images)
    assert found == [0, 1, 2]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(path, x, clear):
    """A PNG of 16 bits, (H, W) or (H, W, 3), with the transparent value `clear`."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in x)
    head = struct.pack(">2I5B", x.shape[1], x.shape[0], 16, 0 if x.ndim == 2 else 2, 0, 0, 0)
    trns = struct.pack(f">{np.size(clear)}H", *np.atleast_1d(clear))
    parts = [(b"IHDR", head), (b"tRNS", trns), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def test_transparent_values_of_16_bits_lie_over_white(tmp_path):
    grey = np.array([[0x1234, 0x1235], [0xFF00, 0x0000]], np.uint16)
    png16(tmp_path / "a.png", grey, 0x1235)
    png16(tmp_path / "b.png", grey, 0x1235)
    for split in ("train", "test"):
        assert load(tmp_path, split=split).images.tolist() == [[[[0x12, 255], [0xFF, 0]]]]
    colour = np.full((2, 2, 3), 0x4000, np.uint16)
    colour[0, 1] = 0xAB00, 0x0100, 0x7F00
    for name in "ab":
        png16(tmp_path / f"{name}.png", colour, (0xAB00, 0x0100, 0x7F00))
    assert load(tmp_path).images[0, :, 0].tolist() == [[0x40, 255]] * 3


@pytest.mark.parametrize(
    ("bits", "pixels", "wanted"),
    [(1, 0b01000000, [255, 255]), (2, 0b01110000, [255, 255]), (4, 0x1F, [255, 255]), (4, 0x21, [34, 255])],
)
def test_transparent_values_of_few_bits_lie_over_white(tmp_path, bits, pixels, wanted):
    """Two grey pixels; the transparent value is 0 of one bit, else 1: a value of the file, not of the image."""
    head = struct.pack(">2I5B", 2, 1, bits, 0, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"tRNS", struct.pack(">H", bits > 1)),
        (b"IDAT", zlib.compress(bytes([0, pixels]))),
        (b"IEND", b""),
    ]
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert load(tmp_path).images.tolist() == [[[wanted]]]


def test_what_was_verified_is_what_is_read(tmp_path, monkeypatch):
    """A plain file that lies beside the download is not taken for it."""
    folder = tmp_path / "cache" / "mnist"
    folder.mkdir(parents=True)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    for stem, x in (
        ("train-images-idx3-ubyte", IMAGES),
        ("train-labels-idx1-ubyte", np.arange(12, dtype=np.uint8) % 10),
    ):
        data = bytes([0, 0, 8, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape)
        (folder / f"{stem}.gz").write_bytes(gzip.compress(data + x.tobytes()))
        (folder / stem).write_bytes(data + bytes(len(x.tobytes())))  # all black, and zeros
    monkeypatch.setattr(sources, "fetch", lambda file, sha256, mirrors, folder: folder / file)
    data = load("mnist")
    assert np.array_equal(data.images[:, 0], IMAGES) and data.labels.max() == 9
    assert read_idx(folder / "train-images-idx3-ubyte").max() == 0 and "mnist" in download.REMOTES
