"""The page of `minigen watch` in a browser, as a file with the network off: every control is used.

Read next: ``watched_runs.py``, ``test_watch_live.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dashboard.folders import batch, finding, folder
from pages.browser import look, opened, screenshot
from pages.watched_runs import LONG, chart, only, painted, ready, settled, two_runs

from minigen.dashboard import find_runs, snapshot

#: Width, height and grey value of an <img> of one colour.
GREY = """image => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    return [image.naturalWidth, image.naturalHeight, context.getImageData(3, 3, 1, 1).data[0]];
}"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with two_runs(tmp_path_factory.mktemp("watch")) as place:
        yield place


@pytest.fixture(scope="module")
def file(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(snapshot(find_runs([str(runs)])))
    return path


@pytest.mark.parametrize(("dark", "width"), [(False, 1000), (True, 1000), (False, 360)])
def test_what_a_person_sees(file: Path, dark: bool, width: int) -> None:
    with opened(file, dark=dark, width=width) as page:
        ready(page)
        assert page.locator("figure.chart").count() == 3
        caption = chart(page, "kl").locator("figcaption").inner_text()
        assert caption == "kl nats per sample, sum over the code, part of loss"
        text = page.locator(".runs").inner_text()
        assert re.search(r"runs/long\s+vae on .*failed", text, re.S) and "4 updates/s" in text
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = look(page)[-1, 2].astype(int)
        assert (background.sum() < 200) == dark
        grey = painted(page)[..., :3].astype(int).std(axis=2)
        assert (grey > 30).sum() > 200  # coloured curves
        screenshot(page, f"watch_{width}{'_dark' if dark else ''}")


def test_every_control(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        before = painted(page)
        seen = [before]
        for label, value in [
            ("scale", "log"),
            ("scale", "most"),
            ("scale", "linear"),
            ("along", "epoch"),
            ("along", "time"),
            ("along", "update"),
        ]:
            page.get_by_label(label, exact=True).select_option(value)
            settled(page)
            seen.append(painted(page))
        assert all((a != b).any() for a, b in zip(seen, seen[1:]))
        np.testing.assert_array_equal(seen[-1], before)
        page.get_by_label("smoothing").first.fill("4")
        settled(page)
        assert (painted(page) != before).any() and "600 updates" in page.locator(".controls").inner_text()
        page.get_by_label("smoothing").first.fill("0")
        for split in ("batch", "train", "validation"):
            box = page.locator(f"input[data-split={split}]")
            box.uncheck()
            settled(page)
            assert (painted(page) != before).any()
            box.check()
        settled(page)
        np.testing.assert_array_equal(painted(page), before)


def test_what_is_no_number_is_marked_and_said(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        assert "\u2715 marks values that are NaN" in chart(page).inner_text()
        assert "\u2715 marks values that are infinite" in chart(page, "kl").inner_text()
        assert "marks values" not in chart(page, "reconstruction").inner_text()
        page.get_by_label("scale", exact=True).select_option("most")
        settled(page)
        assert "may lie beyond the edges" in chart(page).inner_text()


def test_the_spike_is_painted(file: Path) -> None:
    """One row of 30,000: something of its colour stands near the upper edge, at its step."""
    with opened(file) as page:
        only(ready(page), "runs/long")
        for split in ("train", "validation"):
            page.locator(f"input[data-split={split}]").uncheck()
        settled(page)
        shown = painted(page)
        top = shown[24:60, 70:-14].astype(int)  # below the marks, right of the labels
        blue = (top[..., 2] > top[..., 0] + 15) & (top[..., 3] > 40)
        columns = np.flatnonzero(blue.any(axis=0))
        assert 1 <= len(columns) <= 3
        left, right = 58, shown.shape[1] - 12
        assert abs((columns.mean() + 70 - left) / (right - left) - 15_003 / LONG) < 0.02


def test_values_by_pointer_and_by_keys(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/short")
        canvas, values = chart(page).locator("canvas"), chart(page).locator(".values")
        canvas.hover(position={"x": 60, "y": 100})
        assert "each logged update: 51" in values.inner_text()
        page.mouse.move(0, 0)
        assert values.is_hidden()
        canvas.focus()
        page.keyboard.press("ArrowLeft")
        assert "update 8" in values.inner_text() and "each logged update: 58" in values.inner_text()
        for _ in range(6):
            page.keyboard.press("Shift+ArrowLeft")
        assert "each logged update: 53" in values.inner_text()
        label = canvas.get_attribute("aria-label")
        assert label.startswith("loss: runs/short each logged update 58") and canvas.get_attribute("role") == "img"
        page.keyboard.press("+")
        settled(page)
        whole = page.get_by_role("button", name="Whole run")
        assert whole.is_enabled()
        page.keyboard.press("Escape")
        settled(page)
        assert whole.is_disabled()


def test_a_range_is_dragged_out_for_all_charts(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        before = painted(page, "kl")
        box = chart(page).locator("canvas").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + 220, box["y"] + 90, steps=4)
        page.mouse.up()
        settled(page)
        low, high = page.evaluate("minigen.watch.state.range")
        assert 2000 < low < high < LONG * 0.7 and (painted(page, "kl") != before).any()
        page.get_by_role("button", name="Whole run").click()
        page.mouse.move(0, 0)
        settled(page)
        np.testing.assert_array_equal(painted(page, "kl"), before)


def test_findings_at_their_steps_and_pictures_of_that_time(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        found = page.locator("#journal li").all_inner_texts()
        assert found == [
            "update 10,000\nposterior collapse: 2 of 2 are dead. Lower beta",
            "update 30,000\nstopped: step 30000: loss is nan",
        ]
        assert "The doctor looked 2 times; at update 10,000: 1 found." in page.locator("#journal").inner_text()
        page.locator("#journal button").first.click()
        assert "update 10,000" in chart(page).locator(".values").inner_text()


def test_a_disease_that_stays_is_one_mark(runs: Path, tmp_path: Path) -> None:
    looks = [
        {"step": k, "epoch": 1, "doctor": finding() if k != 4 else finding() | {"findings": []}} for k in range(1, 8)
    ]
    path = folder(tmp_path / "run", [batch(9, 5, 4, 1)], looks)
    (tmp_path / "page.html").write_text(snapshot(find_runs([str(path)])))
    with opened(tmp_path / "page.html") as page:
        ready(page)
        assert page.locator("#journal li").all_inner_texts() == [
            "update 1\nposterior collapse: 2 of 2 are dead. Lower beta (in 3 looks, the last at update 3)",
            "update 5\nposterior collapse: 2 of 2 are dead. Lower beta (in 3 looks, the last at update 7)",
        ]
        assert page.evaluate("minigen.watch.charts.values().next().value.view.marks") == [1, 5]


def test_pictures_over_all_epochs(file: Path, runs: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        reel = page.locator(".reel[data-run='runs/long']")
        slider, image = reel.locator("input"), reel.locator("img")
        assert image.evaluate(GREY) == [32, 16, 120] and slider.input_value() == "11"
        slider.fill("3")
        image.evaluate("image => image.decode()")
        assert image.evaluate(GREY) == [32, 16, 40] and reel.locator("output").inner_text() == "epoch 4"
        assert "after epoch 4" in image.get_attribute("alt") and slider.get_attribute("aria-valuetext") == "epoch 4"
        press = "button => { button.click(); return [button.textContent, button.ariaPressed]; }"
        button = reel.get_by_role("button")
        assert button.evaluate(press) == ["Stop", "true"]
        page.wait_for_selector(
            ".reel[data-run='runs/long'] output:has-text('epoch 12')"
        )  # from 4 on, and there it ends
        page.wait_for_selector(".reel[data-run='runs/long'] button:has-text('Play')")
        assert button.evaluate(press) == ["Stop", "true"] and button.evaluate(press) == ["Play", "false"]


def test_networks_with_their_layers(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/short")
        networks = page.locator("#networks")
        assert networks.locator("svg").get_attribute("aria-label").startswith("model: ")
        titles = networks.locator("svg title").all_text_contents()
        assert (
            "Dense: 36 to 8" in titles
            and "Dense: 2 to 8" in titles
            and len(titles) == networks.locator("polygon").count()
        )
        networks.locator("summary").click()
        assert re.search(r"encoder\S*weight\s+(8 × 36|36 × 8)", networks.locator("table").inner_text())


def test_several_runs_lie_over_each_other_and_none_is_no_error(file: Path) -> None:
    with opened(file) as page:
        ready(page)
        assert page.evaluate("minigen.watch.charts.size") == 3
        chart(page).locator("canvas").hover(position={"x": 200, "y": 100})
        text = chart(page).locator(".values").inner_text()
        assert "runs/long each logged update: " in text and "runs/short each logged update: " in text
        for box in page.locator(".runs input").all():
            box.uncheck()
        settled(page)
        assert (
            "Choose a run above." in page.locator(".charts").inner_text() and page.locator("figure.chart").count() == 0
        )


def test_many_runs_are_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for k in range(10):
        folder(tmp_path / "runs" / f"r{k}", [batch(1, 5, 4, 1)], pictures=1)
    (tmp_path / "page.html").write_text(snapshot(find_runs(["runs"])))
    with opened(tmp_path / "page.html") as page:
        ready(page)
        assert page.locator(".runs li:visible").count() == 10 and page.locator(".runs input:checked").count() == 4
        page.get_by_label("filter runs").fill("vae R7")
        assert page.locator(".runs li:visible").all_inner_texts()[0].startswith("runs/r7")
        assert page.locator(".runs li:visible").count() == 1
        page.get_by_label("filter runs").fill("")
        page.get_by_role("button", name="None").click()
        page.wait_for_selector(".charts:has-text('Choose a run above.')")
        assert page.locator(".runs input:checked").count() == 0


def test_terms_of_two_units_are_two_charts(runs: Path, tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    html = snapshot(find_runs([str(runs)]))
    units = '"loss":{"unit":"nats per sample"'
    assert html.count(units) == 2
    page_file.write_text(html.replace(units, '"loss":{"unit":"mean per pixel"', 1))
    with opened(page_file) as page:
        ready(page)
        charts = page.locator("figure.chart[data-term=loss]")
        assert sorted(charts.nth(k).get_attribute("data-unit") for k in range(charts.count())) == [
            "mean per pixel",
            "nats per sample",
        ]
