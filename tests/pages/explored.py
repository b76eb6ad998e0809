"""An explore page in the browser: opened, its current code read, its pixels compared with minigen's own.

Read next: ``test_explore.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pages.browser import opened, pixels

import minigen as mg

PIXEL = 1 / 255 + 1e-3  # of the range of values: a pixel is a byte, and two float32 networks differ by less than 1e-3
STANDS = "body[data-finished]"


@contextlib.contextmanager
def explored(place: str | Path, **how: Any) -> Iterator[Any]:
    """The page, once it stands; at the end it has complained of nothing."""
    with opened(place, **how) as page:
        page.wait_for_selector(STANDS)
        yield page
        assert page.locator("#complaint").inner_text() == ""


def code_of(page: Any) -> np.ndarray[Any, Any]:
    """The current code (1, D)."""
    return np.array([page.evaluate("() => Array.from(minigen.page.code)")], np.float32)


def label_of(page: Any) -> int | None:
    """The current class, of a model that is told one."""
    return page.evaluate("() => minigen.page.label")


def settled(page: Any) -> None:
    """Wait until the current code is decoded."""
    page.evaluate("() => minigen.page.settled()")


def bytes_of(run: mg.Run, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One image (1, C, H, W) as a canvas would hold it, but not rounded: (H, W, 3), 0..255."""
    low, high = run.value_range
    unit = ((images[0] - low) / (high - low)).clip(0, 1) * 255
    return np.moveaxis(np.broadcast_to(unit, (3, *unit.shape[1:])), 0, -1)


def assert_shows(page: Any, run: mg.Run, selector: str, images: np.ndarray[Any, Any]) -> None:
    """The canvas shows the image (1, C, H, W)."""
    found = pixels(page, selector).astype(float)
    assert (found[:, :, 3] == 255).all()
    difference = np.abs(found[:, :, :3] - bytes_of(run, images)).max() / 255
    assert difference <= PIXEL, f"{selector} differs by {difference * 255:.2f} of 255"


def assert_shows_current(page: Any, run: mg.Run) -> np.ndarray[Any, Any]:
    """The large image is what minigen makes of the current code and class; returns the code."""
    settled(page)
    code, label = code_of(page), label_of(page)
    assert_shows(page, run, "#current", run.decode(code, None if label is None else [label]))
    return code
