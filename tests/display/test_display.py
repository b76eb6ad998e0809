"""What objects show in a notebook: right numbers, right pixels, bounded size, escaped text, and never an exception.

Read next: ``checked_html.py``, ``test_display_objects.py``.
"""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from display.checked_html import Checked
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.display import arrays, blocks, images
from minigen_kernels import Array

NUMBERS = st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from([math.nan, math.inf, -math.inf]))


def read(one: Any) -> Checked:
    return Checked(one._repr_html_())


# Numbers.


@given(hnp.arrays("f4", hnp.array_shapes(min_dims=0, max_dims=5, max_side=5), elements=NUMBERS), st.integers(1, 40))
def test_the_statistics_are_those_of_numpy(x: Array, block: int) -> None:
    whole, arrays.BLOCK = arrays.BLOCK, block
    try:
        found = arrays.statistics(x)
    finally:
        arrays.BLOCK = whole
    finite = x[np.isfinite(x)].astype(np.float64)
    assert (found.seen, found.nan, found.infinite) == (x.size, np.isnan(x).sum(), np.isinf(x).sum())
    assert found.finite == finite.size
    if finite.size:
        assert (found.low, found.high) == (finite.min(), finite.max())
        scale = np.abs(finite).max() + 1e-30  # rounding of float64 in sums of at most 3,125 numbers
        assert abs(found.mean - finite.mean()) <= 1e-12 * scale
        assert abs(found.std - finite.std()) <= 1e-7 * scale  # the root of a variance that is 1e-14 off


@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=30), st.integers(1, 500))
def test_of_many_elements_some_are_looked_at_from_all_over(shape: tuple[int, ...], most: int) -> None:
    x = np.arange(math.prod(shape)).reshape(shape)
    some = arrays.thinned(x, most)
    assert 0 < some.size <= max(most, 1) and np.shares_memory(some, x)
    assert x.size > most or some.size == x.size
    assert len(np.unique(some)) == some.size


def test_a_tensor_shows_its_range_and_its_numbers() -> None:
    page = read(Tensor([[1.5, -2.0], [math.nan, math.inf]]))
    assert "Tensor (2, 2), float32, cpu" in page.text and "constant" in page.text
    assert page.rows[1:3] == [["min", "max", "mean", "std", "NaN", "infinite"],
                              ["-2", "1.5", "-0.25", "1.75", "1", "1"]]  # fmt: skip
    assert page.rows[-2:] == [["1.5", "-2"], ["nan", "inf"]]
    assert Tensor([math.nan, 1])._repr_html_().count("rgba(218,54,51") == 2  # in the table, and the number itself
    assert "rgba(" not in Tensor([1.0])._repr_html_()


def test_a_large_tensor_is_neither_copied_nor_shown_whole() -> None:
    """A view of 40 GB in which every element is the same number; and 80 MB that really are there."""
    huge = np.broadcast_to(np.float32(2.5), (100_000, 100_000))
    many = np.zeros(20_000_000, np.float32)
    many[-1] = 1.0
    tracemalloc.start()
    try:
        pages = [read(Tensor(huge)), read(Tensor(many[None, None]))]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40e6  # a block of 2^20 elements in float64, some times over
    assert "looked at" in pages[0].text and "of 10,000,000,000 elements" in pages[0].text
    assert "..." in pages[0].rows[-1] and len(pages[0].rows) < 12
    assert all(len(Tensor(x)._repr_html_()) < 10_000 for x in (huge, many))


# Where a Tensor stands in the graph.


def test_a_tensor_shows_what_made_it() -> None:
    w = nn.Parameter(np.ones((3, 2), np.float32))
    y = Tensor(np.ones((4, 3), np.float32)) @ w
    assert "MatMul of (4, 3) and Parameter (3, 2)" in read(y).text
    assert "without a gradient so far" in read(w).text
    (y * 2.0).sum().backward()
    assert "its gradient: from 8 to 8" in read(w).text and "Mul of (4, 2) and 2" in read(y * 2.0).text
    w.grad = Tensor(np.full((3, 2), math.nan, np.float32))
    assert "nothing finite, 6 NaN" in read(w).text


SHAPES: list[tuple[int, ...]] = [
    (), (0,), (1,), (9,), (3, 0), (0, 1, 8, 8), (7, 9), (2, 3, 4), (3, 8, 9), (5, 1, 3, 3), (2, 7, 4, 5),
    (2, 4, 9, 300), (1, 2, 1, 1), (2, 2, 2, 2, 2),
]  # fmt: skip


def test_every_kind_of_tensor_has_a_page() -> None:
    for dtype in ("f4", "f8", "i1", "i8", "u1", "?"):
        for shape in SHAPES:
            page = read(Tensor(np.ones(shape, dtype)))
            assert f"Tensor {shape}" in page.text and "cannot be shown" not in page.text
    assert "no elements" in read(Tensor(np.ones((0, 3)))).text


# Images.


def test_pixels_are_those_of_the_images() -> None:
    x = np.linspace(-1, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    page = read(Tensor(x))
    (picture, text), want = page.pictures[0], np.rint((x + 1) / 2 * 255).transpose(0, 2, 3, 1)
    assert picture.shape == (8, 18, 3) and text == "2 images, 8 x 8; black is -1, white 1"
    assert np.abs(picture[:, :8] - want[0]).max() <= 1 and np.abs(picture[:, 10:] - want[1]).max() <= 1


@pytest.mark.parametrize(
    ("x", "black", "white"),
    [(np.uint8([0, 200]), "0", "255"), (np.float32([0, 0.5]), "0", "1"), (np.float32([-0.5, 0]), "-1", "1"),
     (np.float32([-3, 5]), "-3", "5"), (np.float64([7, 7]), "7", "8"),
     (np.float64([-1.5e308, 1.7e308]), "-1.5e+308", "1.7e+308")],
)  # fmt: skip
def test_black_and_white_fit_the_values_and_are_named(x: Array, black: str, white: str) -> None:
    page = read(Tensor(np.resize(x, (1, 1, 8, 8))))
    assert f"black is {black}, white {white}" in page.pictures[0][1]
    span = float(white) / 2 - float(black) / 2
    want = np.rint((np.resize(x, (8, 8)) / 2.0 - float(black) / 2) / span * 255)
    assert np.abs(page.pictures[0][0].astype(float) - want).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_that_are_no_numbers_are_painted_and_counted(channels: int) -> None:
    x = np.zeros((1, channels, 8, 8), np.float32)
    x[0, 0, 2, 3], x[0, -1, 4, 5], x[0, 0, 6, 6] = math.nan, math.inf, -math.inf
    picture, text = read(Tensor(x)).pictures[0]
    assert "NaN, red: 1 pixel; infinite, orange: 2 pixels" in text
    assert picture[2, 3].tolist() == [*images.NAN] and picture[4, 5].tolist() == [*images.INFINITE]
    assert picture[6, 6].tolist() == [*images.INFINITE] and picture[0, 0].tolist() == [0, 0, 0]


def test_many_and_large_images_become_a_small_picture() -> None:
    picture, text = read(Tensor(np.zeros((1000, 1, 28, 28), np.float32))).pictures[0]
    assert picture.shape == (4 * 28 + 3 * 2, 8 * 28 + 7 * 2) and text.startswith("32 of 1,000 images")
    picture, text = read(Tensor(np.broadcast_to(np.uint8(9), (2, 3, 5000, 20_000)))).pictures[0]
    assert max(picture.shape) <= 2 * 256 + 2 and "every 79th pixel" in text
    page = read(Tensor(np.zeros((4, 6, 9, 9), np.float32)))
    assert "6 channels of element 0" in page.text and page.pictures[0][1].startswith("6 images")


# Text, and what fails.


@given(st.text(max_size=40), st.text(max_size=40))
def test_text_is_shown_as_it_is(name: str, value: str) -> None:
    text = f"<script>{name}</script>\ud800 & {value}"
    for html in (blocks.frame(text), blocks.facts([(text, text)]), blocks.table([text], [[text]]), blocks.note(text),
                 blocks.lines(text)):  # fmt: skip
        page = Checked(html)
        assert "<script>" in page.text and "\\ud800 & " in page.text
    assert len(blocks.note("x" * 10**6)) < 2000


def test_lines_show_without_quotes() -> None:
    summary = nn.Sequential(nn.Dense(3, 2), ops.relu).summary((3,))
    assert isinstance(summary, str) and "\n" in summary
    assert str(summary) in read(summary).text


class Broken(nn.Module):
    def __init__(self) -> None:
        self.weight = Tensor(np.ones(3), requires_grad=True)  # no Parameter: an error, when it is asked for


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_what_cannot_be_shown_says_why() -> None:
    page = read(Broken())
    assert page.text.startswith("Broken") and "make it nn.Parameter(...)" in page.text

    def render(_: Any) -> str:
        raise SilentError

    assert "it cannot be shown: SilentError: it has no text" in Checked(blocks.safely(render, 3)).text


class Half(Function):
    def forward(self, x: Array) -> Array:
        return x / 2

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / 2


def test_a_function_of_the_users_own_is_named() -> None:
    assert "made by Half of Parameter (3,)" in read(Half.apply(nn.Parameter(np.ones(3)))).text
