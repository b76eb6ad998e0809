"""The explore page of a small run in the browser, and what its canvases have to show.

Read next: ``small_runs.py``, ``browser.py``.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pages.browser import opened, pixels, screenshot
from pages.small_runs import small_run

import minigen as mg
from minigen.explore.networks import compute, networks_of
from minigen.explore.page import html, routes
from minigen.serving import Server

CLOSE = 1 / 255 + 1e-3  # a pixel is a whole number of 255; and float32 sums in another order


@functools.cache
def text_of(kind: str) -> str:
    """The page of a small run as it is written to a file."""
    return html(small_run(kind))


@contextlib.contextmanager
def shown(kind: str, *, served: bool = False, **view: Any) -> Iterator[tuple[Any, mg.Run]]:
    """The page of a small run, from its file or served by minigen, when it stands; and the run. Keeps a screenshot."""
    run = small_run(kind)
    with contextlib.ExitStack() as stack:
        place: str | Path
        if served:
            place = stack.enter_context(Server(routes(run))).url
        else:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / f"{kind}.html"
            place.write_text(text_of(kind), encoding="utf-8")
        page = stack.enter_context(opened(place, **view))
        page.wait_for_selector("body[data-finished]")
        assert not page.locator("#complaint").is_visible()
        yield page, run
        assert not page.locator("#complaint").is_visible(), page.locator("#complaint").inner_text()
        screenshot(page, f"explore-{kind}{'-served' if served else ''}-{view.get('width', 1000)}")


def network(run: mg.Run, part: str, **arrays: Any) -> Mapping[str, np.ndarray]:
    """What minigen computes for a network of the run."""
    return compute(networks_of(run), part, arrays)


def current(page: Any) -> tuple[np.ndarray, int | None]:
    """The current code (1, D) of the page, and its class."""
    code, label = page.evaluate("[Array.from(minigen.page.code), minigen.page.label]")
    return np.array([code], np.float32), label


def settled(page: Any) -> None:
    """Wait until the image of the newest code is painted, and what is said of it a tenth of a second later."""
    page.evaluate("minigen.page.settled().then(() => new Promise((done) => setTimeout(done, 150)))")


def slide(page: Any, selector: str, value: float) -> None:
    """Move a range to a value, as a person does."""
    page.locator(selector).first.evaluate(
        "(box, value) => { box.value = value; box.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


def assert_shows(page: Any, selector: str, image: np.ndarray, run: mg.Run) -> None:
    """A canvas shows an image (C, H, W)."""
    assert_painted(pixels(page, selector), image, run)


def assert_painted(found: np.ndarray, image: np.ndarray, run: mg.Run) -> None:
    """Pixels (H, W, 4) are those of an image (C, H, W)."""
    low, high = run.value_range
    wanted = np.clip((image.transpose(1, 2, 0) - low) / (high - low), 0, 1)
    assert found.shape[:2] == wanted.shape[:2] and (found[..., 3] == 255).all()
    assert abs(found[..., :3] / 255 - wanted).max() <= CLOSE


def decoded(run: mg.Run, codes: np.ndarray, label: int | None = None) -> np.ndarray:
    """The images of codes (N, D), by the run itself."""
    return run.decode(codes) if label is None else run.decode(codes, classes=np.full(len(codes), label))


def assert_current(page: Any, run: mg.Run, selector: str = "#current") -> None:
    """The large image is that of the current code."""
    code, label = current(page)
    assert_shows(page, selector, decoded(run, code, label)[0], run)


def assert_sample(page: Any, run: mg.Run) -> None:
    """The current code is one of the first samples that the run draws."""
    assert abs(run.draw("samples", 8).codes - current(page)[0]).max(1).min() < 1e-6
