"""Images that stay in their files: batch for batch the bits of the same images in memory."""

import threading
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from data.layouts import LAYOUTS, NAMES, drawn, write
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.data import Batches, Dataset, encoded, load
from minigen.data.ahead import read_ahead
from minigen.data.batches import over_batches
from minigen.data.checksum import combined_crc32, crc32_of_each, joined_crc32
from minigen.data.stored import STREAMED_ABOVE, Chosen, StoredImages, is_streamed, totals


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minigen-data")]


def same(a: Dataset, b: Dataset) -> None:
    assert isinstance(a.images, np.ndarray) and isinstance(b.images, StoredImages)
    assert a.images.dtype == b.images.dtype and np.array_equal(a.images, np.asarray(b.images))
    assert (a.classes, a.value_range, a.notes, a.split) == (b.classes, b.value_range, b.notes, b.split)
    assert (a.labels is None) == (b.labels is None) and (a.labels is None or np.array_equal(a.labels, b.labels))
    assert a.mean() == b.mean() and a.checksum() == b.checksum() and a.checksum(5) == b.checksum(5)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=8)  # each of them writes files
@given(data=st.data())
def test_streamed_images_are_those_in_memory_batch_for_batch(tmp_path_factory, layout, data):
    count = data.draw(st.integers(8, 30))
    shape = data.draw(st.sampled_from([(6, 5, 3), (4, 7), (1, 2, 3)]))
    x, y = drawn(count, shape, seed=count)
    folder = write(layout, tmp_path_factory.mktemp("set") / "set", x, y, data.draw(st.integers(1, 4)))
    seed, size, workers = data.draw(st.tuples(st.integers(0, 9), st.integers(1, 6), st.integers(0, 3)))
    stop = data.draw(st.integers(0, 12))
    for split in ("train", "test"):
        memory, stored = (load(folder, split=split, seed=seed, stream=stream) for stream in (False, True))
        same(memory, stored)
        assert memory.classes == (NAMES if layout in ("folder", "parquet") else ("0", "1", "2"))
        part = data.draw(st.lists(st.integers(0, len(memory) - 1), min_size=1, max_size=9))
        same(memory.subset(np.array(part)), stored.subset(np.array(part)))
        same(memory.subset(slice(1, None, 2)), stored.subset(slice(1, None, 2))) if len(memory) > 1 else None
        assert np.array_equal(memory.images_float(np.array(part)), stored.images_float(np.array(part)))
    memory, stored = (load(folder, seed=seed, stream=stream) for stream in (False, True))
    size = min(size, len(memory))
    a, b = Batches(memory, size, seed=seed), Batches(stored, size, seed=seed, workers=workers)
    for _, left, right in zip(range(stop), forever(a), forever(b), strict=False):
        assert np.array_equal(left.x, right.x) and np.array_equal(left.index, right.index)
        assert np.array_equal(left.labels, right.labels)
    assert a.state == b.state
    c = Batches(stored, size, seed=seed, workers=1)  # another process goes on from here
    c.state = a.state
    for _, left, right in zip(range(7), forever(a), forever(c), strict=False):
        assert np.array_equal(left.x, right.x) and np.array_equal(left.index, right.index)


def forever(batches):
    while True:
        yield from batches


@pytest.mark.parametrize("dtype", ["u1", "?", "<f4", ">f4", "<f8", ">f8", "<f2"])
@pytest.mark.parametrize("layout", [(9, 4, 5), (9, 3, 4, 5), (9, 4, 5, 3), (9, 16)])
def test_every_type_and_layout_of_an_array_file(tmp_path, dtype, layout):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, layout) if "f" in dtype else rng.integers(0, 2 if dtype == "?" else 256, layout)
    np.save(tmp_path / "x.npy", x.astype(dtype))
    for split in ("train", "test"):
        memory, stored = (load(tmp_path / "x.npy", split=split, stream=stream) for stream in (False, True))
        same(memory, stored)
        assert memory.value_range == ((-1.0, 1.0) if "f" in dtype else (0.0, 1.0))
        same(memory.in_range((0.0, 2.0)), stored.in_range((0.0, 2.0)))
        same(memory.in_range((0.0, 2.0)).subset(slice(1)), stored.in_range((0.0, 2.0)).subset(slice(1)))


@given(st.lists(st.binary(min_size=6, max_size=6), max_size=40), st.binary(max_size=9))
def test_the_checksum_of_all_from_those_of_each(blocks, before):
    x = np.frombuffer(b"".join(blocks), np.uint8).reshape(len(blocks), 2, 3)
    crc = combined_crc32(crc32_of_each(x), 6)
    assert crc == zlib.crc32(x.tobytes())
    assert joined_crc32(zlib.crc32(before), crc, x.size) == zlib.crc32(before + x.tobytes())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_sum_of_an_image_does_not_depend_on_its_neighbours(dtype):
    x = (np.random.default_rng(0).uniform(0, 255, (5, 3, 37, 41))).astype(dtype)
    assert totals(x).tolist() == [totals(x[k : k + 1])[0] for k in range(5)]
    assert totals(x).sum() == pytest.approx(x.sum(dtype=np.float64), rel=1e-12)


def test_results_come_in_order_whatever_their_time_and_never_too_many_wait():
    running, most, lock = set(), [0], threading.Lock()

    def slow(k):
        with lock:
            running.add(k)
            most[0] = max(most[0], len(running))
        time.sleep(0.003 * (k % 3))
        return k

    found = []
    for k in read_ahead(slow, range(40), 3):
        found.append(k)
        with lock:
            running.discard(k)
    assert found == [*range(40)] and most[0] <= 5 and not threads()


def test_what_a_worker_raises_comes_in_its_turn_and_no_thread_is_left():
    def fails(k):
        if k == 3:
            raise ValueError("picture 3")
        return k

    found = []
    with pytest.raises(ValueError, match="picture 3"):
        for k in read_ahead(fails, range(10), 2):
            found.append(k)
    assert found == [0, 1, 2] and not threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_loop_leaves_no_thread_and_a_state_to_go_on_from(tmp_path, error):
    folder = write("tar", tmp_path / "set", *drawn(30))
    batches = Batches(load(folder, stream=True), 4, seed=1)
    seen = []
    with pytest.raises(error):
        for batch in batches:
            seen.append(batch.index)
            if len(seen) == 3:
                assert threads()
                raise error
    assert not threads() and batches.state["position"] == 3
    seen += [batch.index for batch in batches]
    assert len(np.unique(np.concatenate(seen))) == 24


def test_a_state_that_is_set_inside_the_loop(tmp_path):
    memory, stored = (load(write("npy", tmp_path / "set", *drawn(30)), stream=stream) for stream in (False, True))
    lists = []
    for dataset in (memory, stored):
        batches, found = Batches(dataset, 4, seed=1), []
        start = batches.state
        for batch in batches:
            found.append(batch.index.tolist())
            if len(found) == 3:
                batches.state = start
        lists.append(found)
    assert lists[0] == lists[1] and len(lists[0]) == 9


def test_a_failed_batch_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.data.pixels.MOST", 0)
    folder = write("folder", tmp_path / "set", *drawn(30))
    batches = Batches(load(folder, stream=True), 4, seed=1)
    next(iter(batches))
    for path in folder.glob("ant/*.png"):
        path.write_bytes(b"another")
    with pytest.raises(ValueError, match=r"ant/....\.png: it has changed since it was first read"):
        for _ in range(9):
            position = batches.state["position"]
            next(iter(batches))
    assert batches.state["position"] == position


def test_when_images_are_left_in_their_files(tmp_path, monkeypatch):
    assert not is_streamed(STREAMED_ABOVE, None) and is_streamed(STREAMED_ABOVE + 1, None)
    assert is_streamed(1, True) and not is_streamed(10**12, False)
    monkeypatch.setattr("minigen.data.stored.STREAMED_ABOVE", 200 * 90)
    for count, streamed in ((200, False), (201, True)):
        x, y = drawn(count)
        for layout in LAYOUTS:
            found = load(write(layout, tmp_path / f"{layout}{count}", x, y))
            assert isinstance(found.images, StoredImages) == streamed
    np.save(tmp_path / "floats.npy", np.random.default_rng(0).uniform(0, 1, (70, 65)).reshape(70, 13, 5))
    assert isinstance(load(tmp_path / "floats.npy").images, StoredImages)  # float64 becomes float32: 4 bytes a number
    np.save(tmp_path / "fortran.npy", np.asfortranarray(drawn(201)[0]))
    assert isinstance(load(tmp_path / "fortran.npy").images, np.ndarray)


def test_stored_images_as_an_array(tmp_path):
    x, y = drawn(12)
    whole = load(write("npy", tmp_path / "set", x, y), stream=True).images
    assert isinstance(whole, Chosen)
    images = whole.images
    expected = x.transpose(0, 3, 1, 2)
    assert images.shape == expected.shape and images.ndim == 4 and len(images) == 12 and images.nbytes == x.nbytes
    assert np.array_equal(images[3], expected[3]) and np.array_equal(images[-1], expected[-1])
    assert np.array_equal(images[2:5], expected[2:5]) and np.array_equal(images[[5, 5, -2]], expected[[5, 5, -2]])
    assert np.array_equal(images[np.arange(12) > 7], expected[8:]) and images[:0].shape == (0, 3, 6, 5)
    assert np.array_equal(images[np.array([[1, 2], [3, 4]])], expected[[[1, 2], [3, 4]]])
    assert np.asarray(images, np.float32).dtype == np.float32
    for index in ((0, 1), None, ...):
        with pytest.raises(TypeError, match="these images lie in files"):
            images[index]
    for index in (12, [0, 12]):
        with pytest.raises(IndexError):
            images[index]
    with pytest.raises(ValueError, match="np.asarray reads them"):
        np.asarray(images, copy=False)
    assert "in files" in repr(images)


def test_over_batches(tmp_path):
    memory, stored = (load(write("npy", tmp_path / "set", *drawn(30)), stream=stream) for stream in (False, True))
    for dataset in (memory, stored):
        assert np.array_equal(over_batches(lambda batch: batch.x * 2, dataset), memory.images_float() * 2)
        assert np.array_equal(over_batches(lambda batch: batch.labels, dataset), memory.labels)


def test_what_was_found_of_pictures_is_kept_as_long_as_they_are_the_same(tmp_path, monkeypatch, cache):
    folder = write("folder", tmp_path / "set", *drawn(20))
    load(folder, stream=True)
    calls = []
    decode = encoded.decode
    monkeypatch.setattr(encoded, "decode", lambda *args, **how: calls.append(args) or decode(*args, **how))
    first = load(folder, stream=True)
    assert first.mean() and first.checksum() and len(calls) < 4
    (folder / "ant" / "0000.png").write_bytes(next(folder.glob("bee/*.png")).read_bytes())
    second = load(folder, stream=True)
    assert len(calls) > 20 and second.checksum() != first.checksum()
    assert (found := [*cache.glob("data/*.npz")])
    for path in found:
        path.write_bytes(b"damaged")
    same(load(folder, stream=False), load(folder, stream=True))


def test_a_data_set_of_stored_images_is_checked_as_others_are(tmp_path):
    stored = load(write("npy", tmp_path / "set", *drawn(30)), stream=True)
    with pytest.raises(ValueError, match=r"labels must be \(27,\)"):
        replace(stored, labels=np.zeros(5, np.int64))
    assert "27 images of 3x6x5" in repr(stored)
    assert np.array_equal(stored.random_indices(5), load(tmp_path / "set", stream=False).random_indices(5))
