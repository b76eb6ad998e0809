"""The explore page with what people bring: odd names, no numbers, odd channels, quick fingers.

Read next: ``explored.py``.
"""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages.explored import assert_shows, assert_shows_current, code_of, explored, settled
from PIL import Image

import minigen as mg
from minigen.data import Dataset

NAMES = ("<script>alert(1)</script><!--\"'&amp;", "b" * 200, "\u2028ü")


def images(split: str, count: int, channels: int, side: int) -> Dataset:
    x = np.random.default_rng(len(split)).integers(0, 256, (count, channels, side, side)).astype(np.uint8)
    labels = np.arange(count) % len(NAMES)
    number = np.where(labels == 0, np.nan, np.arange(count)).astype(np.float32)
    return Dataset("odd", split, x, labels, NAMES, {NAMES[0]: number, "none": np.full(count, np.inf, np.float32)})


@functools.cache
def odd_run(model: str, channels: int) -> mg.Run:
    train, test = images("train", 64, channels, 8), images("test", 40, channels, 8)
    options: dict[str, Any] = {"hidden": 8} if model == "cvae" else {}
    return mg.train(model, train, test=test, latent=3, max_steps=2, batch_size=16, validation=0.0, progress=False,
                    **options)  # fmt: skip


@pytest.fixture(params=[360, 1000])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    odd_run("cvae", 1).explore(tmp_path / "page.html")
    with explored(tmp_path / "page.html", width=request.param) as page:
        yield page
        assert page.evaluate("() => document.documentElement.scrollWidth") <= request.param


def test_odd_names_and_factors(page: Any) -> None:
    assert page.locator("#legend .chip").all_text_contents() == list(NAMES)
    assert page.locator("#class option").all_text_contents() == list(NAMES)
    page.select_option("#colour", NAMES[0])
    assert page.locator("#colour option").all_text_contents() == ["label", NAMES[0]]  # none: has no number to colour by
    assert page.locator("#legend").inner_text() != ""
    page.locator("#map").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#map-status:not(:empty)")
    page.select_option("#colour", "label")
    for _ in range(3):
        page.keyboard.press("Tab")


def test_undo_faster_than_codes_are_decoded(page: Any) -> None:
    first = code_of(page)
    for name in ("#sample", "#mean", "#some-test"):
        page.click(name)
        settled(page)
    page.evaluate("() => { for (let k = 0; k < 9; k++) document.getElementById('undo').click(); }")
    settled(page)
    np.testing.assert_array_equal(code_of(page), first)
    assert page.locator("#undo").is_disabled()
    page.click("#mean")
    settled(page)
    page.click("#undo")
    settled(page)
    np.testing.assert_array_equal(code_of(page), first)


def test_the_map_beyond_its_edge(page: Any) -> None:
    page.select_option("#colour", NAMES[0])
    page.locator("#map").focus()
    for _ in range(40):
        page.keyboard.press("Shift+ArrowRight")
    assert_shows_current(page, odd_run("cvae", 1))
    assert "nearest on the map: label" in page.locator("#map-status").inner_text()
    page.keyboard.press("Enter")
    settled(page)
    codes = page.evaluate("() => Array.from(minigen.page.payload.test.codes.data)")
    assert np.abs(np.reshape(codes, (-1, 3)) - code_of(page)).max(1).min() < 1e-6


DROP = """([name, type, base64]) => {
    const held = new DataTransfer();
    if (name) held.items.add(new File([Uint8Array.from(atob(base64), (x) => x.charCodeAt(0))], name, { type }));
    const event = new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true });
    document.querySelector("h1").dispatchEvent(event);
}"""


def white() -> str:
    """A white pixel, as a PNG."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_what_is_dropped_beside_the_drawing(page: Any) -> None:
    for dropped, why in (
        ([None, None, ""], "no file"), (["a.txt", "text/plain", ""], "a.txt is no picture"),
        (["a.png", "image/png", "AAAA"], "a.png cannot be read as a picture"),
    ):  # fmt: skip
        page.evaluate(DROP, dropped)
        page.wait_for_function("(why) => document.getElementById('complaint').textContent.includes(why)", arg=why)
    page.evaluate(DROP, ["white.png", "image/png", white()])
    page.wait_for_selector("#complaint", state="hidden")
    assert page.evaluate("() => Math.min(...minigen.page.sketch.floats())") == 1


def test_drawing_by_keyboard(page: Any) -> None:
    page.click("#clear")
    page.locator("#brush").fill("1")
    page.locator("#sketch").focus()
    for key in ("ArrowUp", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    drawn = np.reshape(page.evaluate("() => Array.from(minigen.page.sketch.floats())"), (8, 8))
    assert (drawn[3, 4:7] > 0.7).all() and (np.delete(drawn, 3, 0) < 0.1).all()
    assert drawn[3, 7] < 0.1 and (drawn[3, :4] < 0.1).all()


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_channels_that_no_screen_has(channels: int, tmp_path: Path) -> None:
    run = odd_run("ae", channels)
    run.explore(tmp_path / "page.html")
    with explored(tmp_path / "page.html") as page:
        page.click("#mine-test")
        page.wait_for_timeout(300)
        image = np.array(page.evaluate("() => Array.from(minigen.page.sketch.floats())"), np.float32)
        image = image.reshape(1, *run.image_shape)
        everything = run.images("test").images_float()
        assert np.abs(everything - image).max((1, 2, 3)).min() < 1e-6
        page.click("#take-mine")
        settled(page)
        np.testing.assert_allclose(code_of(page), run.encode(image), atol=1e-3)
        page.locator("#sketch").click()  # a stroke: from now on it is a drawing
        drawn = np.array(page.evaluate("() => Array.from(minigen.page.sketch.floats())"), np.float32)
        assert np.abs(everything - drawn.reshape(image.shape)).max((1, 2, 3)).min() > 0.1
        if channels == 2:
            assert_shows(page, run, "#small", drawn.reshape(image.shape)[:, :1])
