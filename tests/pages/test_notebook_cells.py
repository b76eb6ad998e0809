"""What objects show in a notebook, seen in a browser: pixels, light and dark, narrow; the explore page in its frame.

The page stands for a notebook: outputs below each other, in its own colours. Read next: ``../display/test_display.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages.browser import PATIENCE, look, opened, screenshot

import minigen as mg
from minigen.display import images

PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,><meta name=color-scheme content="light dark">
<style>body {{ margin: 8px; font-family: sans-serif }}</style>{}"""


def written(folder: Path, *shown: Any) -> Path:
    path = folder / "notebook.html"
    path.write_text(PAGE.format("<hr>".join(one._repr_html_() for one in shown)), encoding="utf-8")
    return path


def test_a_picture_has_its_pixels_on_the_screen(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(0, 1, (1, 3, 10, 10)).astype(np.float32)
    x[0, 0, 4, 7] = np.nan
    with opened(written(tmp_path, mg.Tensor(x))) as page:
        box = page.locator("img").bounding_box()
        left, top, width, height = (round(box[name]) for name in ("x", "y", "width", "height"))
        seen = look(page)[top : top + height, left : left + width].astype(float)
    assert (width, height) == (40, 40)  # each pixel is 4 wide and high
    want = np.rint(255 * x[0]).transpose(1, 2, 0)
    want[4, 7] = images.NAN
    assert np.abs(seen[2::4, 2::4] - want).max() <= 1


@pytest.mark.parametrize(("width", "dark"), [(1000, False), (360, True)])
def test_cells_can_be_read_light_and_dark_wide_and_narrow(tmp_path: Path, width: int, dark: bool, run: mg.Run) -> None:
    test = run.images("test")
    shown = [run, run.model, test, run.draw("samples", 40), mg.Tensor(test.images_float(slice(0, 40))),
             mg.Tensor(np.full((3, 200), np.nan)), run.model.summary(run.image_shape)]  # fmt: skip
    with opened(written(tmp_path, *shown), width=width, dark=dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # what is wider scrolls by itself
        assert page.locator("img").count() >= 4
        loaded = page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth > 0 && one.alt.length > 0)")
        assert all(loaded)
        paper = look(page)[-1, -1].astype(int).sum()
        ink = page.locator("td").first.evaluate("one => getComputedStyle(one).color")
        assert (paper < 200, ink) == ((True, "rgb(255, 255, 255)") if dark else (False, "rgb(0, 0, 0)"))
        screenshot(page, f"notebook-{width}")


def test_the_explore_page_works_in_the_frame_of_a_cell(tmp_path: Path, run: mg.Run) -> None:
    with opened(written(tmp_path, run.explore())) as page:
        frame = page.frame_locator("iframe")
        frame.locator("body[data-finished]").wait_for(timeout=PATIENCE)
        assert frame.locator("section").count() >= 3 and frame.locator("h1, h2").count() >= 3
        frame.get_by_role("button", name="Draw a sample").click()
        frame.get_by_role("button", name="Undo").click()
