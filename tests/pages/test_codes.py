"""The grid of a VQ-VAE: codes are chosen in the palette, painted by mouse and keyboard, and the image follows.

Read next: ``shown.py``, ``minigen/pages/static/panel_codes.js``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pages.browser import pixels
from pages.shown import assert_current, assert_painted, assert_sample, assert_shows, settled, shown

import minigen as mg

CELL = 24  # pixels of the canvas that a place of the grid has


def indices(page: Any, side: int) -> np.ndarray:
    settled(page)
    return np.array(page.locator("#codes-grid").get_attribute("data-indices").split(), int).reshape(side, side)


def image_of(run: mg.Run, grid: np.ndarray) -> np.ndarray:
    """The image (C, H, W) of indices (h, w), by the codebook and the decoder of the run."""
    model, codebook = run.model.model, run.model.codebook
    with model.evaluation():
        return np.asarray(model.decode(codebook.embed(grid[None])).numpy())[0]


def assert_grid(page: Any, run: mg.Run, grid: np.ndarray) -> None:
    np.testing.assert_array_equal(indices(page, len(grid)), grid)
    assert_shows(page, "#codes-image", image_of(run, grid), run)
    assert_current(page, run)


def middle(page: Any, row: int, column: int, side: int) -> tuple[float, float]:
    """Where on the screen a place of the grid is."""
    page.locator("#codes-grid").scroll_into_view_if_needed()
    box = page.locator("#codes-grid").bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box["height"] / side


@pytest.mark.parametrize("kind", [pytest.param("vq-vae", marks=pytest.mark.slow), "vq-vae-rgb"])
def test_painting_changes_the_grid_and_the_image_follows(kind: str) -> None:
    with shown(kind, height=1000) as (page, run):
        side = page.evaluate("minigen.page.payload.grid.shape[0]")
        assert side == {"vq-vae": 7, "vq-vae-rgb": 8}[kind]
        page.click("#sample")
        settled(page)
        assert_sample(page, run)
        grid = indices(page, side)
        assert_grid(page, run, grid)

        chosen = int((grid[1, 1] + 5) % 16)
        page.click(f"#codes-palette button[value='{chosen}']")
        page.mouse.move(*middle(page, 1, 1, side))
        page.mouse.down()
        page.mouse.move(*middle(page, 1, 4, side))  # a fast mouse: the places between are painted, too
        page.mouse.up()
        grid[1, 1:5] = chosen
        assert_grid(page, run, grid)

        page.select_option("#codes-brush", "3")
        page.mouse.click(*middle(page, 4, 0, side))
        grid[3:6, 0:2] = chosen
        assert_grid(page, run, grid)
        page.select_option("#codes-brush", "2")
        page.mouse.click(*middle(page, side - 1, side - 1, side))
        grid[side - 1, side - 1] = chosen
        assert_grid(page, run, grid)
        page.select_option("#codes-brush", "1")

        page.check("#codes-pick")
        page.mouse.click(*middle(page, 0, 3, side))
        assert page.locator("#codes-palette button[aria-checked=true]").get_attribute("value") == str(grid[0, 3])
        page.uncheck("#codes-pick")
        assert_grid(page, run, grid)

        page.click("#codes-fill")
        full = np.full((side, side), grid[0, 3])
        assert_grid(page, run, full)
        page.click("#undo")
        assert_grid(page, run, grid)
        assert f"{len(np.unique(grid))} of 16 codes" in page.locator("#codes-said").inner_text()


def test_painting_by_keyboard() -> None:
    with shown("vq-vae") as (page, run):
        grid = indices(page, 7)
        page.locator("#codes-palette button[aria-checked=true]").press("ArrowRight")
        chosen = int(page.locator("#codes-palette button[aria-checked=true]").get_attribute("value"))
        assert page.evaluate("document.activeElement.value") == str(chosen)
        board = page.locator("#codes-grid")
        board.focus()
        board.press("ArrowUp")  # from the middle, row 3 and column 3
        assert page.locator("#panel-codes .mark").is_visible()
        board.press(" ")
        grid[2, 3] = chosen
        assert_grid(page, run, grid)
        board.press("Shift+ArrowLeft")
        grid[2, 2] = chosen
        assert_grid(page, run, grid)
        assert f"row 3, column 3 has code {chosen}" in page.locator("#panel-codes .paintable .unseen").inner_text()


def test_the_palette_shows_each_code() -> None:
    with shown("vq-vae-rgb") as (page, run):
        page.wait_for_selector("#codes-palette[data-drawn]")
        for k in range(16):
            found = pixels(page, f"#codes-palette button[value='{k}'] canvas")
            assert_painted(found, image_of(run, np.full((8, 8), k)), run)
        usage = run.experiment.diagnostics(run.images("test").images_float())["code_usage"]  # type: ignore[misc]
        share = 100 * usage[3] / usage.sum()
        assert f"code 3, {share:.1f} %" in page.locator("#codes-palette button[value='3']").get_attribute("aria-label")
