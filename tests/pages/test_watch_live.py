"""The page of `minigen watch` in a browser, served: it asks for finer curves, and what changes appears by itself.

Read next: ``watched_runs.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard.folders import HEADER, batch, folder
from pages.browser import opened, screenshot
from pages.watched_runs import chart, ready, settled, two_runs

from minigen.dashboard import find_runs, routes
from minigen.serving import Server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with two_runs(tmp_path_factory.mktemp("watch")) as place:
        yield place


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
        settled(page)
        low, high = page.evaluate("minigen.watch.state.range")
        x = page.evaluate(f"[...{drawn}.x]")
        exact = page.evaluate(f"{drawn}.low.every((y, k) => y === {drawn}.high[k])")
        inside = sum(low <= at <= high for at in x)
        assert exact and 700 < inside <= 1000  # each bucket is a row
        page.keyboard.press("Escape")
        settled(page)
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
