"""Pictures of images: every pixel where it belongs, the range of values, and files that are whole or not there.

Read next: ``test_examples.py``.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigen.pictures import grid, plot, save_png, sheet, side_by_side

Array = np.ndarray[Any, Any]


def bytes_of(n: int, c: int, h: int, w: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (n, c, h, w), dtype=np.uint8)


def as_floats(shades: Array, low: float = 0.0, high: float = 1.0) -> Array:
    return (low + (high - low) * (shades / 255)).astype(np.float32)


@given(
    n=st.integers(1, 9),
    c=st.sampled_from([1, 3]),
    h=st.integers(1, 4),
    w=st.integers(1, 4),
    columns=st.none() | st.integers(1, 10),
    gap=st.integers(0, 3),
    value_range=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-3.0, 5.0)]),
)
def test_every_pixel_of_a_grid(
    n: int, c: int, h: int, w: int, columns: int | None, gap: int, value_range: tuple[float, float]
) -> None:
    shades = bytes_of(n, c, h, w)
    sheet = grid(as_floats(shades, *value_range), columns, value_range=value_range, gap=gap)
    across = columns or next(k for k in range(1, 10) if k * k >= n)
    down = math.ceil(n / across)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (down * h + (down - 1) * gap, across * w + (across - 1) * gap) + (() if c == 1 else (3,))
    wanted = np.full((*sheet.shape[:2], c), 255, np.uint8)  # gaps and empty places are white
    for i in range(n):
        for y in range(h):
            for x in range(w):
                wanted[i // across * (h + gap) + y, i % across * (w + gap) + x] = shades[i, :, y, x]
    np.testing.assert_array_equal(sheet.reshape(wanted.shape), wanted)


def test_values_are_rounded_and_cut_off() -> None:
    x = np.array([-9, 0, 0.4999 / 255, 0.5001 / 255, 100 / 255, 1, 9], np.float32).reshape(1, 1, 1, 7)
    assert grid(x).tolist() == [[0, 0, 0, 1, 100, 255, 255]]
    assert grid(x * 2 - 1, value_range=(-1.0, 1.0)).tolist() == [[0, 0, 0, 1, 100, 255, 255]]


def test_images_that_no_grid_can_show() -> None:
    for shape in ((28, 28), (2, 2, 4, 4), (0, 1, 4, 4)):
        with pytest.raises(ValueError) as info:
            grid(np.zeros(shape))
        assert str(info.value) == f"grid: expected at least one image as (N, 1, H, W) or (N, 3, H, W), got {shape}"
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="grid: the images contain NaN or Inf"):
            grid(np.full((1, 1, 2, 2), bad))
    for columns in (0, -2):
        with pytest.raises(ValueError, match=f"grid: columns must be at least 1, .* got {columns}"):
            grid(np.zeros((3, 1, 2, 2)), columns)


@given(
    n=st.integers(1, 9),
    versions=st.integers(1, 3),
    c=st.sampled_from([1, 3]),
    groups=st.integers(1, 5),
    gap=st.integers(0, 2),
)
def test_every_pixel_of_images_side_by_side(n: int, versions: int, c: int, groups: int, gap: int) -> None:
    h, w = 3, 2
    shades = [bytes_of(n, c, h, w, seed) for seed in range(versions)]
    sheet = side_by_side([as_floats(s) for s in shades], groups=groups, gap=gap)
    across = min(groups, n)
    strip, between = versions * w + (versions - 1) * gap, 6 * gap
    down = math.ceil(n / across)
    shape = (down * h + (down - 1) * gap, across * strip + (across - 1) * between)
    assert sheet.shape == shape + (() if c == 1 else (3,))
    wanted = np.full((*shape, c), 255, np.uint8)
    for i in range(n):
        for v in range(versions):
            top, left = i // across * (h + gap), i % across * (strip + between) + v * (w + gap)
            wanted[top : top + h, left : left + w] = shades[v][i].transpose(1, 2, 0)
    np.testing.assert_array_equal(sheet.reshape(wanted.shape), wanted)


def test_multi_tensor_in_another_range() -> None:
    shades = bytes_of(2, 1, 3, 3)
    parts = [as_floats(shades, -1, 1)] * 2
    np.testing.assert_array_equal(side_by_side(parts, value_range=(-1.0, 1.0)), side_by_side([as_floats(shades)] * 2))


def test_parts_that_cannot_stand_side_by_side() -> None:
    with pytest.raises(
        ValueError, match=r"side_by_side: expected parts of one shape .*got \[\(1, 1, 2, 2\), \(2, 1, 2"
    ):
        side_by_side([np.zeros((2, 1, 2, 2)), np.zeros((1, 1, 2, 2))])
    with pytest.raises(ValueError, match=r"side_by_side: expected parts of one shape .*got \[\]"):
        side_by_side([])
    with pytest.raises(
        ValueError, match=r"side_by_side: expected parts of one shape .*N above 0, got \[\(0, 1, 2, 2\)\]"
    ):
        side_by_side([np.zeros((0, 1, 2, 2))])
    with pytest.raises(ValueError, match="side_by_side: groups must be at least 1, got 0"):
        side_by_side([np.zeros((2, 1, 2, 2))], groups=0)
    with pytest.raises(ValueError, match="NaN or Inf"):
        side_by_side([np.zeros((2, 1, 2, 2)), np.full((2, 1, 2, 2), np.nan)])


# Points, and what is shown as what.


def test_points_stand_where_they_belong() -> None:
    """x to the right, y upwards; the corners of the square are the corners of the picture."""
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1.0]])
    picture = plot(corners, side=10)
    wanted = np.full((10, 10), 255)
    wanted[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    np.testing.assert_array_equal(picture, wanted)
    one = plot(np.array([[0.55, 0.25]]), side=10)  # the 8th column, the 4th row from above
    assert np.argwhere(one < 255).tolist() == [[3, 7]]
    assert np.argwhere(plot(np.array([[5.1, 2.5]]), value_range=(0.0, 10.0), side=10) < 255).tolist() == [[7, 5]]
    assert np.argwhere(plot(np.array([[9.0, -9.0]]), side=10) < 255).tolist() == [[9, 9]]  # outside: at the edge


def test_many_points_are_darker_than_few() -> None:
    picture = plot(np.array([[0.0, 0.0]] * 9 + [[0.9, 0.9]]), side=10)
    few, many = sorted(picture[picture < 255])[::-1]
    assert picture[4, 5] == many == 0 and 150 > few > 50


def test_points_that_are_refused() -> None:
    with pytest.raises(ValueError, match=r"as \(N, 2\), got \(0, 2\)"):
        plot(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="NaN or Inf"):
        plot(np.array([[0.0, np.nan]]))


def test_a_sheet_shows_each_kind_in_its_way() -> None:
    grey, colour, four = (as_floats(bytes_of(5, c, 3, 3)) for c in (1, 3, 4))
    np.testing.assert_array_equal(sheet([grey]), grid(grey))
    np.testing.assert_array_equal(sheet([grey, grey]), side_by_side([grey, grey]))
    np.testing.assert_array_equal(sheet([colour]), grid(colour))
    np.testing.assert_array_equal(sheet([four]), grid(four[:, :3]))
    two = as_floats(bytes_of(5, 2, 3, 3))
    np.testing.assert_array_equal(sheet([two]), grid(two[:, :1]))
    points = as_floats(bytes_of(5, 2, 1, 1), -1, 1)
    shown = plot(points.reshape(5, 2))
    np.testing.assert_array_equal(sheet([points], value_range=(-1.0, 1.0)), shown)
    both = sheet([points, points], value_range=(-1.0, 1.0))
    np.testing.assert_array_equal(both[:, :200], shown)
    np.testing.assert_array_equal(both[:, -200:], shown)


# Files.


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_a_file_holds_the_picture(tmp_path: Path, shape: tuple[int, ...], scale: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    save_png(picture, tmp_path / "a.png", scale=scale)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG" and image.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), picture.repeat(scale, 0).repeat(scale, 1))
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    for value in (0, 200):
        save_png(np.full((2, 2), value, np.uint8), str(tmp_path / "a.png"), scale=1)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[200, 200], [200, 200]]


@pytest.mark.parametrize("when", ["writing", "renaming"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def write_half(self: Image.Image, file: Any, **_: Any) -> None:
        file.write(b"half a picture")
        raise OSError("no space left on device")

    def refuse(*_: Any) -> None:
        raise OSError("no space left on device")

    save_png(np.zeros((2, 2), np.uint8), tmp_path / "old.png")
    before = (tmp_path / "old.png").read_bytes()
    if when == "writing":
        monkeypatch.setattr(Image.Image, "save", write_half)
    else:
        monkeypatch.setattr(os, "replace", refuse)
    for name in ("old.png", "new.png"):
        with pytest.raises(OSError, match="no space left on device"):
            save_png(np.ones((2, 2), np.uint8), tmp_path / name)
    assert os.listdir(tmp_path) == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        save_png(np.zeros((2, 2), np.uint8), tmp_path / "no" / "a.png")
    assert caught.value.filename == str(tmp_path / "no" / "a.png")  # not that of the temporary file
    assert os.listdir(tmp_path) == []
