"""Pages in a real browser: headless Chromium through Playwright.

Needs ``pip install playwright`` and a Chromium that is installed (``apt-get install chromium``); Playwright downloads
none. One browser serves all tests of a process. Where one of the two is missing, tests skip, and where CI is set they
fail: a missing browser must not pass for a proof.

Read next: ``test_browser.py``.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import importlib
import importlib.util
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--force-color-profile=srgb")  # fmt: skip
PATIENCE = 60_000  # ms, for a machine that is busy with other tests


def chromium() -> str:
    """The path of the browser; a skip (with CI: a failure) that says what is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    missing = None if path else "Chromium is not installed (apt-get install chromium)"
    if importlib.util.find_spec("playwright") is None:
        missing = "playwright is not installed (pip install 'minigen-engine[browser]')"
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and CI is set: the pages are not proven here")
        pytest.skip(missing)
    assert path is not None
    return path


@functools.cache
def browser() -> Any:
    """The browser of this process, started when it is first needed."""
    path = chromium()
    playwright = importlib.import_module("playwright.sync_api").sync_playwright().start()
    found = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))

    def close() -> None:
        with contextlib.suppress(Exception):  # the process is ending, and Playwright's own may be gone
            found.close()
            playwright.stop()

    atexit.register(close)
    return found


@contextlib.contextmanager
def opened(
    place: str | Path,
    *,
    width: int = 1000,
    height: int = 800,
    dark: bool = False,
    allowed: tuple[str, ...] = (),
    folder: Path | None = None,
) -> Iterator[Any]:
    """A page of Playwright, from a file (with the network off) or an address.

    At the end: no request went elsewhere (a page of several files: out of their `folder`), and the console is empty but
    for messages that hold one of `allowed`.
    """
    from_file = isinstance(place, Path)
    address = place.resolve().as_uri() if isinstance(place, Path) else place
    context = browser().new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        offline=from_file,
        accept_downloads=True,
    )
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        foreign: list[str] = []
        said: list[str] = []
        home = folder.resolve().as_uri() + "/" if folder else None
        context.on(
            "request",
            lambda request: None if is_own(request.url, address, home) else foreign.append(request.url),
        )
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.goto(address)
        yield page
        assert not foreign, f"the page asked for {foreign}"
        said = [line for line in said if not any(text in line for text in allowed)]
        assert not said, f"the console says {said}"
    finally:
        context.close()


def is_own(url: str, address: str, folder: str | None = None) -> bool:
    """Does a request stay in the page: its own file or folder, its own server, or what it holds itself?"""
    asked, home = urlsplit(url), urlsplit(address)
    if folder is not None and url.startswith(folder):
        return True
    if asked.scheme in ("data", "blob"):
        return True
    if home.scheme == "file":
        return asked[:3] == home[:3]
    return asked[:2] == home[:2]


def pixels(page: Any, selector: str) -> np.ndarray[Any, Any]:
    """What a canvas holds: bytes (H, W, 4), red, green, blue, alpha.

    They are read from a copy: Chromium warns of a canvas that is read again and again.
    """
    shape, held = page.locator(selector).first.evaluate(
        """canvas => {
            const {width, height} = canvas;
            const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
            context.drawImage(canvas, 0, 0);
            const {data} = context.getImageData(0, 0, width, height);
            let text = "";
            for (let k = 0; k < data.length; k += 8192) text += String.fromCharCode(...data.subarray(k, k + 8192));
            return [[height, width, 4], btoa(text)];
        }"""
    )
    return np.frombuffer(base64.b64decode(held), np.uint8).reshape(shape)


def look(page: Any) -> np.ndarray[Any, Any]:
    """What a person sees of the page now: bytes (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


def screenshot(page: Any, name: str) -> Path | None:
    """Keep a picture of the whole page in the folder that MINIGEN_SCREENSHOTS names; without it, none."""
    folder = os.environ.get("MINIGEN_SCREENSHOTS")
    if not folder:
        return None
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(path), full_page=True)
    return path
