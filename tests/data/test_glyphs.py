"""Glyphs: the same seed gives the same bytes, the factors are what was drawn, the cache is safe."""

import functools

import numpy as np
import pytest

from minigen.data import glyphs as module
from minigen.data import load
from minigen.data.glyphs import FONTS, RANGES, draw, glyphs
from minigen.random import Generator

SHEETS = functools.cache(module._draw_sheets)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty folder for images. The large letters that they are made of are drawn once."""
    monkeypatch.setattr(module, "_draw_sheets", SHEETS)
    folder = tmp_path / "cache"
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


def same(a, b):
    return (
        np.array_equal(a.images, b.images)
        and np.array_equal(a.labels, b.labels)
        and a.factors.keys() == b.factors.keys()
        and all(np.array_equal(a.factors[k], b.factors[k]) for k in a.factors)
    )


@pytest.fixture(scope="module")
def sample():
    images, factors = draw(module.DIGITS, 3000, Generator(7))
    return images[:, 0].astype(np.float64), factors


def test_looks_like_mnist():
    data = load("glyphs", count=2000)
    assert data.images.shape == (2000, 1, 28, 28) and data.images.dtype == np.uint8
    assert data.classes == tuple("0123456789") and data.value_range == (0.0, 1.0)
    assert np.bincount(data.labels).tolist() == [200] * 10
    x = data.images / 255
    assert 0.1 < x.mean() < 0.2  # MNIST: 0.131
    assert 0.2 < x.std() < 0.35  # MNIST: 0.308
    assert x.max(axis=(1, 2, 3)).min() > 0.6  # nothing too faint to see
    edge = np.concatenate([x[:, 0, [0, -1]], x[:, 0, :, [0, -1]].transpose(1, 0, 2)], 1).max(axis=(1, 2))
    assert (edge == 0).mean() > 0.9  # the background is 0, and few digits touch the edge


def test_letters_and_factors():
    data = load("glyphs", count=700, letters=True)
    assert len(data.classes) == 62 and set(data.labels) == set(range(62))
    assert set(data.factors) == {"class", "font", *RANGES}
    assert np.array_equal(data.factors["class"], data.labels)
    assert set(data.factors["font"]) == set(range(len(FONTS)))
    for name, (low, high) in RANGES.items():
        values = data.factors[name]
        assert low <= values.min() and values.max() <= high
        assert values.max() - values.min() > 0.95 * (high - low)  # 700 uniform values miss 5 % with odds of 1e-14


def test_seed_split_and_count():
    a = glyphs(seed=1, count=50)
    assert same(a, glyphs(seed=1, count=50))
    assert not np.array_equal(a.images, glyphs(seed=2, count=50).images)
    assert not np.array_equal(a.images, glyphs(seed=1, count=50, split="test").images)


def test_chunks_leave_no_seam(monkeypatch):
    a = draw("01", 250, Generator(3))
    monkeypatch.setattr(module, "CHUNK", 100)
    b = draw("01", 250, Generator(3))
    assert np.array_equal(a[0], b[0])


def test_shift_moves_the_centre_of_mass(sample):
    """Drawings are centred on their mass, so the factor is the place of the image's centre of mass."""
    images, factors = sample
    mass = images.sum((1, 2))
    along = np.arange(28) - 13.5
    x = (images.sum(1) @ along) / mass
    y = (images.sum(2) @ along) / mass
    # Thicker strokes and sharpened edges move the centre by a part of a pixel, either way; ranges are 3 pixels wide.
    assert np.abs(x - factors["shift_x"]).max() < 0.75
    assert np.abs(y - factors["shift_y"]).max() < 0.75
    assert np.abs(x - factors["shift_x"]).mean() < 0.1
    assert np.abs(y - factors["shift_y"]).mean() < 0.1


def render(**factors):
    """One "1" of DejaVu Sans, with the neutral value of every factor that is not given."""
    neutral = {"rotation": 0, "scale": 1, "shear": 0, "shift_x": 0, "shift_y": 0, "stroke": 0.2, "brightness": 1}
    values = {k: np.array([v], np.float32) for k, v in {**neutral, **factors}.items()}
    values |= {"class": np.array([0]), "font": np.array([0])}
    return module._sample(*module._draw_sheets("l"), values, Generator(0))[0].astype(np.float64)


def axis_angle(x):
    """Degrees from the vertical, counter-clockwise as seen, of the principal axis of an image."""
    v, u = np.mgrid[:28, :28] - 13.5
    w = x / x.sum()
    u, v = u - (w * u).sum(), v - (w * v).sum()
    uu, uv, vv = (w * u * u).sum(), (w * u * v).sum(), (w * v * v).sum()
    return np.rad2deg(0.5 * np.arctan2(2 * uv, vv - uu))


def height(**factors):
    """Standard deviation of the ink along y, averaged over where the pixel grid happens to cut the ends."""
    spreads = []
    for shift in np.arange(-0.5, 0.5, 0.125):
        rows = render(shift_y=shift, **factors).sum(1)
        y = np.arange(28) - (rows @ np.arange(28)) / rows.sum()
        spreads.append(np.sqrt((rows @ y**2) / rows.sum()))
    return np.mean(spreads)


def test_rotation_scale_shear_stroke_and_brightness():
    """The letter l is a bar: its axis turns by the angle, its height and ink follow the other factors."""
    base = render()
    for angle in (-15, 7, 15):
        assert axis_angle(render(rotation=angle)) == pytest.approx(
            angle, abs=1
        )  # pixels are 1/20 of the bar: 3 degrees
    # a shear of s leans the bar by atan(s): downwards to the right for s > 0, which is counter-clockwise
    assert axis_angle(render(shear=0.15)) == pytest.approx(np.rad2deg(np.arctan(0.15)), abs=1)
    assert height(scale=1.15) / height() == pytest.approx(1.15, abs=0.01)  # 1/5 pixel
    assert render(stroke=0.4).sum() > 1.1 * base.sum()
    assert render(brightness=0.8).sum() / base.sum() == pytest.approx(0.8, abs=0.01)  # bytes are rounded


def test_cached_once_and_read_back(cache, monkeypatch):
    first = glyphs(count=30)
    (file,) = cache.iterdir()
    assert file.suffix == ".npz"  # and no temporary file beside it
    monkeypatch.setattr(module, "draw", None)  # drawing again would fail
    assert same(first, glyphs(count=30))


def test_each_request_has_its_own_file(cache):
    for request in ({}, {"seed": 1}, {"split": "test"}, {"letters": True}):
        glyphs(count=20, **request)
    glyphs(count=21)
    assert len(list(cache.iterdir())) == 5


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "flipped", "other"])
def test_damaged_cache_is_drawn_again(cache, damage):
    first = glyphs(count=30)
    (file,) = cache.iterdir()
    good = file.read_bytes()
    if damage == "other":
        np.savez(file, images=np.zeros((3, 1, 28, 28), np.uint8))
    else:
        middle = len(good) // 2
        flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
        file.write_bytes({"empty": b"", "garbage": b"x" * 99, "cut": good[:-200], "flipped": flipped}[damage])
    assert same(first, glyphs(count=30))
    assert file.read_bytes() == good or damage == "other"  # the file is whole again
    with np.load(file) as arrays:
        assert np.array_equal(arrays["images"], first.images)


def test_unwritable_cache_only_costs_time(tmp_path, monkeypatch):
    blocked = tmp_path / "a file, not a folder"
    blocked.write_text("")
    monkeypatch.setenv("MINIGEN_CACHE", str(blocked))
    assert same(glyphs(count=10), glyphs(count=10))
    assert blocked.read_text() == ""


def test_interrupted_write_leaves_nothing(cache, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        glyphs(count=10)
    assert list(cache.iterdir()) == []


def test_missing_font_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_draw_sheets", SHEETS.__wrapped__)
    monkeypatch.setattr("minigen.data.glyphs._font_folder", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="DejaVuSans.ttf is missing; reinstall matplotlib"):
        glyphs(count=10)


@pytest.mark.parametrize("request_", [{"split": "valid"}, {"count": 0}, {"count": -5}, {"count": 2.5}, {"seed": -1}])
def test_bad_requests(request_, cache):
    with pytest.raises(ValueError):
        glyphs(**{"count": 10, **request_})
    assert not cache.exists()
