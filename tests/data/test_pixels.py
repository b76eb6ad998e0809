"""Pixels of streamed pictures that are kept: the same bits, decoded once, and never without a way back."""

import itertools
import os
import time

import numpy as np
import pytest
from data.layouts import drawn, write

from minigen.data import Batches, encoded, load
from minigen.data.pixels import Pixels

ONE = 6 * 5 * 3  # bytes of a picture


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """The names of the pictures that are decoded."""
    names, decode = [], encoded.decode
    monkeypatch.setattr(
        encoded,
        "decode",
        lambda data, options, name="", **how: names.append(name) or decode(data, options, name, **how),
    )
    return names


def kept(cache):
    return sorted(cache.glob("data/*.pixels"))


def left(cache):
    return [path for path in cache.glob("data/.minigen*")]


@pytest.mark.parametrize("layout", ["folder", "tar", "parquet"])
@pytest.mark.parametrize("options", [{}, {"image_size": (3, 2), "image_range": (0, 200)}, {"image_channels": 1}])
def test_each_picture_is_decoded_once(tmp_path, cache, decoded, layout, options):
    folder = write(layout, tmp_path / "set", *drawn(30))
    memory = load(folder, stream=False, **options)
    decoded.clear()
    stored = load(folder, stream=True, **options)
    (path,) = kept(cache)
    assert len(set(decoded)) == 30 and path.stat().st_size == 30 * memory.images[0].nbytes and not left(cache)
    for _ in range(2):
        decoded.clear()
        for a, b in zip(Batches(memory, 5, seed=1), Batches(stored, 5, seed=1), strict=True):
            assert np.array_equal(a.x, b.x) and np.array_equal(a.labels, b.labels)
        assert not decoded
        stored = load(folder, stream=True, **options)  # another process
        assert len(decoded) < 4 and stored.checksum() == memory.checksum() and stored.notes == memory.notes


def test_where_there_is_no_room_batches_are_decoded(tmp_path, cache, decoded, monkeypatch):
    folder = write("folder", tmp_path / "set", *drawn(30))
    memory = load(folder, stream=False)
    free = type("usage", (), {"free": 4 * 30 * ONE - 1})
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: free)
        assert np.array_equal(load(folder, stream=True).images[:], memory.images) and not kept(cache)
    with monkeypatch.context() as patch:
        patch.setattr("minigen.data.pixels.MOST", 30 * ONE - 1)
        decoded.clear()
        assert np.array_equal(load(folder, stream=True).images[:], memory.images) and not kept(cache)
        assert len(decoded) < 30  # what was found before holds: 27 for the batch, and a look at the first
    free.free += 1
    monkeypatch.setattr("shutil.disk_usage", lambda folder: free)
    assert np.array_equal(load(folder, stream=True).images[:], memory.images) and len(kept(cache)) == 1


@pytest.mark.parametrize("damage", ["cut", "longer", "gone"])
def test_a_file_of_pixels_that_is_not_as_it_was_written_is_made_again(tmp_path, cache, damage):
    folder = write("tar", tmp_path / "set", *drawn(30))
    stored, whole = load(folder, stream=True), load(folder, stream=False)
    (path,) = kept(cache)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut" else path.read_bytes() + b"1")
    with pytest.raises(ValueError, match=r"\.pixels: (it has changed since|cannot be read)"):
        stored.images[:]
    assert np.array_equal(load(folder, stream=True).images[:], whole.images) and path.stat().st_size == 30 * ONE


def test_a_disk_that_fills_up_and_a_folder_that_cannot_be_written(tmp_path, cache, monkeypatch):
    folder = write("tar", tmp_path / "set", *drawn(30))

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    with monkeypatch.context() as patch:
        patch.setattr("minigen.data.pixels.open", lambda *_, **__: Full(), raising=False)
        stored = load(folder, stream=True)
        assert np.array_equal(stored.images[:], load(folder, stream=False).images) and not kept(cache)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("x")
    assert np.array_equal(load(folder, stream=True).images[:], stored.images[:])


def test_a_damaged_picture_leaves_nothing_and_what_a_killed_process_left_goes(tmp_path, cache):
    folder = write("folder", tmp_path / "set", *drawn(30))
    abandoned = cache / "data" / ".minigen-0.tmp"
    abandoned.parent.mkdir()
    abandoned.write_text("x")
    os.utime(abandoned, (time.time() - 4000,) * 2)
    good = (folder / "ant" / "0000.png").read_bytes()
    (folder / "ant" / "0000.png").write_bytes(good[:-30])
    with pytest.raises(ValueError, match=r"ant/0000\.png: cannot be read"):
        load(folder, stream=True)
    (folder / "ant" / "0000.png").write_bytes(good)
    load(folder, stream=True)
    assert not left(cache) and len(kept(cache)) == 1


def test_two_processes_that_decode_at_once(cache):
    parts = [np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2) + k for k in range(3)]
    first, second = (Pixels("key", (3, 3, 2, 2), np.uint8) for _ in range(2))
    for one, other in itertools.zip_longest(first.written(iter(parts)), second.written(iter(parts))):
        assert np.array_equal(one, other)
    for pixels in (first, second, Pixels("key", (3, 3, 2, 2), np.uint8)):
        assert np.array_equal(pixels.read(pixels.slices, np.array([2, 0])), np.concatenate([parts[2], parts[0]]))
    assert len(kept(cache)) == 1 and not left(cache)
