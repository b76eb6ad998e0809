"""Runs for the tests of the page of `minigen watch`, and how these tests use it.

Read next: ``test_watch_page.py``.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard.folders import batch, finding, folder
from pages.browser import pixels

LONG = 30_000


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


@contextlib.contextmanager
def two_runs(place: Path) -> Iterator[Path]:
    """Below runs/ a short run, and a long one of which the doctor found something and that ended with an error.

    They lie in `place`, which is the working directory meanwhile.
    """
    folder(place / "runs" / "long", spoilt(), [
        {"step": 3000, "epoch": 750, "doctor": {"findings": [], "checks": 3, "note": ""}},
        {"step": 10_000, "epoch": 2500, "doctor": finding()},
        {"step": LONG, "epoch": 7500, "stopped": "step 30000: loss is nan"},
    ], pictures=12)  # fmt: skip
    folder(place / "runs" / "short", [batch(k, 50 + k, 5, 3 / k) for k in range(1, 9)], pictures=3)
    before = os.getcwd()
    os.chdir(place)
    try:
        yield Path("runs")
    finally:
        os.chdir(before)


def ready(page: Any) -> Any:
    page.wait_for_selector("body[data-finished]")
    return page


def settled(page: Any) -> None:
    """Wait until the page has drawn what was asked of it."""
    for _ in range(2):
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.wait_for_selector("body[data-finished]")


def chart(page: Any, term: str = "loss") -> Any:
    return page.locator(f"figure.chart[data-term={term}]").first


def painted(page: Any, term: str = "loss") -> Any:
    return pixels(page, f"figure.chart[data-term={term}] canvas")


def only(page: Any, name: str) -> None:
    """Show this run alone."""
    for box in page.locator(".runs li").all():
        box.locator("input").set_checked(box.get_attribute("data-run") == name)
    page.wait_for_selector(f"#samples .reel[data-run='{name}']:only-child")
    settled(page)
