"""Encode mine, in Chromium: drawing, pictures, what the model makes of them, and their neighbours in training.

Read next: ``explored.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pages.explored import assert_shows, assert_shows_current, settled
from PIL import Image

import minigen as mg


def seen_image(page: Any, run: mg.Run) -> np.ndarray[Any, Any]:
    """What the drawing area gives the model, once everything is computed."""
    page.evaluate("() => new Promise((done) => setTimeout(done, 250))")
    values = page.evaluate("() => Array.from(minigen.page.sketch.floats())")
    return np.array(values, np.float32).reshape(1, *run.image_shape)


def assert_mine(page: Any, run: mg.Run) -> np.ndarray[Any, Any]:
    """Reconstruction and neighbours are those of the drawn image; returns it."""
    image = seen_image(page, run)
    assert_shows(page, run, "#small", image)
    assert_shows(page, run, "#rebuilt", run.reconstruct(image))
    train = run.images("train")
    train = run.some(train, page.evaluate("() => minigen.page.payload.train.images.shape[0]"))
    distances = np.sqrt(np.square(train.images_float() - image).mean((1, 2, 3)))
    shown = [float(text.split()[-1]) for text in page.locator("#neighbours figcaption").all_inner_texts()]
    np.testing.assert_allclose(shown, np.sort(distances)[:8], atol=6e-4)
    labels = [text.split()[0] for text in page.locator("#neighbours figcaption").all_inner_texts()]
    assert labels[0] == str(train.labels[distances.argmin()])
    return image


def test_encode_mine(page: Any, run: mg.Run, tmp_path: Path) -> None:
    page.locator("#sketch").scroll_into_view_if_needed()
    box = page.locator("#sketch").bounding_box()
    page.click("#clear")
    assert not seen_image(page, run).any()
    page.locator("#brush").fill("3")

    def stroke() -> None:
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
        page.mouse.up()

    stroke()
    drawn = assert_mine(page, run)
    assert drawn.max() > 0.99 and 0.05 < drawn.mean() < 0.15
    page.click("#take-mine")
    np.testing.assert_allclose(assert_shows_current(page, run), run.encode(drawn), atol=1e-4)
    page.click("#invert")
    np.testing.assert_allclose(assert_mine(page, run), 1 - drawn, atol=0.02)
    page.click("#invert")
    page.check("#erase")
    page.locator("#brush").fill("5")
    stroke()
    assert seen_image(page, run).max() < 0.05
    page.uncheck("#erase")

    picture = tmp_path / "picture.png"
    grey = run.images("test").images[7, 0]
    Image.fromarray(np.kron(grey, np.ones((10, 10), np.uint8))).save(picture)
    page.set_input_files("#picture", picture)
    np.testing.assert_allclose(assert_mine(page, run)[0, 0], grey / 255, atol=1.1 / 255)  # antialiased edges
    page.click("#mine-test")
    assert_mine(page, run)
    page.evaluate("""() => {
        const files = new DataTransfer();
        files.items.add(new File(["no picture"], "notes.txt", { type: "text/plain" }));
        const dropped = new DragEvent("drop", { dataTransfer: files, cancelable: true, bubbles: true });
        document.querySelector("#sketch").dispatchEvent(dropped);
    }""")
    page.wait_for_function("() => document.querySelector('#complaint').textContent.includes('notes.txt is no picture')")
    page.click("#mean")  # what works again takes the complaint away
    settled(page)
