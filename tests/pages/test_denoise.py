"""Noise that is drawn on an image, and what the denoising autoencoder makes of it.

Read next: ``shown.py``, ``minigen/pages/static/panel_denoise.js``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pages.shown import assert_shows, shown, slide

import minigen as mg


def state(page: Any, name: str, run: mg.Run) -> np.ndarray:
    """An image of the panel, (C, H, W): "clean", "noisy" or what was "made" of it."""
    return np.array(page.evaluate(f"Array.from(minigen.page.noise.{name})"), np.float32).reshape(run.image_shape)


def act(page: Any, action: Any) -> None:
    """Do something, and wait until the model has seen the image."""
    body = page.locator("#panel-denoise .body")
    page.wait_for_selector("#panel-denoise .body[data-seen]")  # the first image has been looked at
    before = body.get_attribute("data-seen")
    action()
    for _ in range(600):
        if body.get_attribute("data-seen") != before:
            page.evaluate("new Promise(requestAnimationFrame)")
            return
        page.wait_for_timeout(50)
    raise AssertionError("the model was not asked")


def assert_all(page: Any, run: mg.Run) -> tuple[np.ndarray, np.ndarray]:
    """All three canvases show what they have to; the clean and the noisy image."""
    clean, noisy = state(page, "clean", run), state(page, "noisy", run)
    made = run.reconstruct(noisy[None])[0]
    np.testing.assert_allclose(state(page, "made", run), made, atol=1e-4)
    assert_shows(page, "#denoise-clean", clean, run)
    assert_shows(page, "#denoise-noisy", noisy, run)
    assert_shows(page, "#denoise-result", made, run)
    seen, after = (np.square(x - clean).mean() for x in (noisy, made))
    text = page.locator("#denoise-said").inner_text()
    assert f"{seen:.4f} seen, {after:.4f} made" in text
    return clean, noisy


@pytest.mark.parametrize("kind", ["denoising-ae", "denoising-ae-rgb"])
def test_noise_of_each_kind_is_poured_over_an_image(kind: str) -> None:
    with shown(kind, height=1000) as (page, run):
        low, high = run.value_range
        assert run.config["corruption"] == page.locator("#denoise-kind").input_value()
        assert_all(page, run)
        for name in ("masking", "gaussian", "salt-and-pepper"):
            page.select_option("#denoise-kind", name)
            slide(page, "#denoise-amount", 0.4)
            act(page, lambda: page.click("#denoise-pour"))
            clean, noisy = assert_all(page, run)
            hit = noisy != clean
            inside = (clean > low + 0.05) & (clean < high - 0.05)
            if name == "masking":
                assert (noisy[hit] == low).all() and abs(hit[clean > low].mean() - 0.4) < 0.15
            elif name == "salt-and-pepper":
                assert np.isin(noisy[hit], (low, high)).all() and abs(hit[inside].mean() - 0.4) < 0.25
                black = noisy[clean == low]
                assert abs((black == high).mean() - 0.2) < 0.06
            else:
                black = noisy[clean == low]  # half of the noise is cut off there
                assert abs((black > low).mean() - 0.5) < 0.06
                assert abs(np.square(black[black > low] - low).mean() ** 0.5 - 0.4) < 0.06
            unit = page.locator("#denoise-amount + output").inner_text()
            assert unit == ("standard deviation 0.40" if name == "gaussian" else "40 % of the pixels")


def test_noise_is_drawn_where_the_brush_passes_and_vanishes() -> None:
    with shown("denoising-ae", height=1000) as (page, run):
        act(page, lambda: page.click("#denoise-next"))
        clean, noisy = assert_all(page, run)
        np.testing.assert_array_equal(clean, noisy)
        page.select_option("#denoise-kind", "salt-and-pepper")
        slide(page, "#denoise-amount", 1)
        slide(page, "#denoise-brush", 5)
        board = page.locator("#denoise-noisy")
        board.scroll_into_view_if_needed()
        box = board.bounding_box()
        at = [(box["x"] + (x + 0.5) * box["width"] / 28, box["y"] + 14.5 * box["height"] / 28) for x in (6, 20)]
        page.mouse.move(*at[0])
        page.mouse.down()
        page.mouse.move(*at[1])
        page.mouse.up()
        page.wait_for_timeout(300)
        clean, noisy = assert_all(page, run)
        rows, columns = np.nonzero((noisy != clean)[0])
        assert rows.min() >= 12 and rows.max() <= 16 and columns.min() >= 4 and columns.max() <= 22
        assert len(rows) > 30

        act(page, lambda: board.press(" "))
        after = state(page, "noisy", run)
        rows, columns = np.nonzero((after != noisy)[0])
        assert len(rows) and abs(rows - 14).max() <= 2 and abs(columns - 14).max() <= 2

        made = state(page, "made", run)
        act(page, lambda: page.click("#denoise-vanish"))
        _, noisy = assert_all(page, run)
        np.testing.assert_array_equal(noisy, made)
        act(page, lambda: page.click("#denoise-again"))
        np.testing.assert_array_equal(state(page, "noisy", run), state(page, "clean", run))
        act(page, lambda: page.click("#denoise-previous"))
        assert abs(state(page, "clean", run) - clean).max() > 0.1
        assert_all(page, run)


def test_the_model_takes_noise_away() -> None:
    """Of a run that was trained a little, the image it makes of noise is nearer to the clean one than the noisy is."""
    with shown("denoising-ae") as (page, run):
        slide(page, "#denoise-amount", 0.6)
        gains = []
        for _ in range(5):
            act(page, lambda: page.click("#denoise-next"))
            act(page, lambda: page.click("#denoise-pour"))
            clean, noisy = state(page, "clean", run), state(page, "noisy", run)
            made = state(page, "made", run)
            gains.append(np.square(noisy - clean).mean() - np.square(made - clean).mean())
        assert np.mean(gains) > 0
