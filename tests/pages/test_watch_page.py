"""The page of `minigen watch` in a browser: every control is used, live and as a file with the network off.

Read next: ``browser.py``, ``../dashboard/test_page.py``.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard.folders import HEADER, batch, finding, folder
from pages.browser import look, opened, pixels, screenshot

from minigen.dashboard import find_runs, routes, snapshot
from minigen.serving import Server

LONG = 30_000
#: Width, height and grey value of an <img> of one colour.
GREY = """image => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    return [image.naturalWidth, image.naturalHeight, context.getImageData(3, 3, 1, 1).data[0]];
}"""


def spoilt() -> list[str]:
    """A long table with one spike, one NaN and one infinite value."""
    rows = []
    for k in range(1, LONG + 1):
        kl = 20 * (1 - math.exp(-k / 2000))
        loss = 900.0 if k == 15_003 else 80 + 100 * math.exp(-k / 3000)
        rows.append(batch(k, "nan" if k == 20_000 else loss, 5, "inf" if k == 25_000 else kl))
        if k % 1500 == 0:
            rows += [batch(k, loss, 5, kl, split="train"), batch(k, loss + 6, 6, kl, split="validation")]
    return rows


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two runs: a short one, and a long one of which the doctor found something and that ended with an error."""
    place = tmp_path_factory.mktemp("watch")
    folder(place / "runs" / "long", spoilt(), [
        {"step": 3000, "epoch": 750, "doctor": {"findings": [], "checks": 3, "note": ""}},
        {"step": 10_000, "epoch": 2500, "doctor": finding()},
        {"step": LONG, "epoch": 7500, "stopped": "step 30000: loss is nan"},
    ], pictures=12)  # fmt: skip
    folder(place / "runs" / "short", [batch(k, 50 + k, 5, 3 / k) for k in range(1, 9)], pictures=3)
    before = os.getcwd()
    os.chdir(place)
    yield Path("runs")
    os.chdir(before)


@pytest.fixture(scope="module")
def file(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(snapshot(find_runs([str(runs)])))
    return path


def ready(page: Any) -> Any:
    page.wait_for_selector("body[data-finished]")
    return page


def chart(page: Any, term: str = "loss") -> Any:
    return page.locator(f"figure.chart[data-term={term}]").first


def painted(page: Any, term: str = "loss") -> Any:
    return pixels(page, f"figure.chart[data-term={term}] canvas")


def only(page: Any, name: str) -> None:
    """Show this run alone."""
    for box in page.locator(".runs li").all():
        box.locator("input").set_checked(box.get_attribute("data-run") == name)
    page.wait_for_selector(f"#samples .reel[data-run='{name}']:only-child")
    page.wait_for_timeout(300)


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
            page.wait_for_timeout(150)
            seen.append(painted(page))
        assert all((a != b).any() for a, b in zip(seen, seen[1:]))
        np.testing.assert_array_equal(seen[-1], before)
        page.get_by_label("smoothing").first.fill("4")
        page.wait_for_timeout(150)
        assert (painted(page) != before).any() and "600 updates" in page.locator(".controls").inner_text()
        page.get_by_label("smoothing").first.fill("0")
        for split in ("batch", "train", "validation"):
            box = page.locator(f"input[data-split={split}]")
            box.uncheck()
            page.wait_for_timeout(150)
            assert (painted(page) != before).any()
            box.check()
        page.wait_for_timeout(150)
        np.testing.assert_array_equal(painted(page), before)


def test_what_is_no_number_is_marked_and_said(file: Path) -> None:
    with opened(file) as page:
        only(ready(page), "runs/long")
        assert "\u2715 marks values that are NaN" in chart(page).inner_text()
        assert "\u2715 marks values that are infinite" in chart(page, "kl").inner_text()
        assert "marks values" not in chart(page, "reconstruction").inner_text()
        page.get_by_label("scale", exact=True).select_option("most")
        page.wait_for_timeout(150)
        assert "may lie beyond the edges" in chart(page).inner_text()


def test_the_spike_is_painted(file: Path) -> None:
    """One row of 30,000: something of its colour stands near the upper edge, at its step."""
    with opened(file) as page:
        only(ready(page), "runs/long")
        for split in ("train", "validation"):
            page.locator(f"input[data-split={split}]").uncheck()
        page.wait_for_timeout(300)
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
        page.wait_for_timeout(200)
        whole = page.get_by_role("button", name="Whole run")
        assert whole.is_enabled()
        page.keyboard.press("Escape")
        page.wait_for_timeout(200)
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
        page.wait_for_timeout(300)
        low, high = page.evaluate("minigen.watch.state.range")
        assert 2000 < low < high < LONG * 0.7 and (painted(page, "kl") != before).any()
        page.get_by_role("button", name="Whole run").click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)
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
        reel.get_by_role("button").click()
        page.wait_for_timeout(1000)
        assert int(slider.input_value()) > 3 and reel.get_by_role("button").inner_text() == "Stop"
        reel.get_by_role("button").click()
        assert reel.get_by_role("button").inner_text() == "Play"


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
        page.wait_for_timeout(300)
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


@pytest.mark.parametrize("axis", ["update", "epoch", "time"])
def test_zooming_asks_for_finer_curves(runs: Path, axis: str) -> None:
    with Server(routes(lambda: find_runs([str(runs / "long")]))) as server, opened(server.url) as page:
        ready(page)
        page.get_by_label("along", exact=True).select_option(axis)
        drawn = "minigen.watch.charts.values().next().value.lines.find(({split}) => split === 'batch').series"
        assert page.evaluate(f"{drawn}.x.length") == 1000  # of 30,000 rows
        canvas = chart(page).locator("canvas")
        canvas.focus()
        page.keyboard.press("ArrowRight")
        for _ in range(5):
            page.keyboard.press("Shift+ArrowLeft")
        for _ in range(5):
            page.keyboard.press("+")
        page.wait_for_timeout(1000)
        low, high = page.evaluate("minigen.watch.state.range")
        x = page.evaluate(f"[...{drawn}.x]")
        exact = page.evaluate(f"{drawn}.low.every((y, k) => y === {drawn}.high[k])")
        inside = sum(low <= at <= high for at in x)
        assert exact and 700 < inside <= 1000  # each bucket is a row
        page.keyboard.press("Escape")
        page.wait_for_timeout(1000)
        assert page.evaluate(f"{drawn}.x.length") == 1000


def test_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New rows, pictures, findings and runs appear by themselves; a server that has ended is said to be gone."""
    monkeypatch.chdir(tmp_path)
    place = folder(tmp_path / "runs" / "a", [batch(k, 5, 4, 1) for k in range(1, 5)], [], pictures=2)
    server = Server(routes(lambda: find_runs(["runs"])))
    with server, opened(server.url, allowed=("ERR_",)) as page:
        ready(page)
        assert page.locator("#live").inner_text() == "live \u00b7"
        canvas = chart(page).locator("canvas")
        with open(place / "metrics.csv", "a") as file:
            file.write(batch(100, 77.5, 4, 1) + "\n")
        page.wait_for_selector("figure.chart[data-term=loss] canvas[aria-label*='77.5']")
        assert "update 100 of 8" in page.locator(".runs").inner_text() and canvas.is_visible()
        shutil.copy(place / "samples" / "epoch_001.png", place / "samples" / "epoch_003.png")
        page.wait_for_selector(".reel img[alt*='epoch 3']")
        (place / "journal.jsonl").write_text('{"step": 100, "epoch": 3, "stopped": "the disk is full"}\n')
        page.wait_for_selector("#journal li:has-text('stopped: the disk is full')")
        folder(tmp_path / "runs" / "b", [batch(1, 5, 4, 1)])
        page.wait_for_selector(".runs li[data-run='runs/b']")
        shutil.rmtree(tmp_path / "runs" / "b")
        page.wait_for_selector(".runs li[data-run='runs/b']", state="detached")
        (place / "metrics.csv").write_text(f"{HEADER}\n{batch(1, 3.25, 4, 1)}\n")  # cut, and written anew
        page.wait_for_selector("figure.chart[data-term=loss] canvas[aria-label*='3.25']")
        screenshot(page, "watch_live")
        server.closing.set()
        server._socket.shutdown()
        server._socket.server_close()
        page.wait_for_selector("#live.bad:has-text('no connection')")
