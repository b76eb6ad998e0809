"""Make docs/images/watch.png: the page of `minigen watch` with three runs, one of which the doctor finds fault with.

    pip install -e '.[browser]'      # and a Chromium: apt-get install chromium
    python docs/make/watch.py [--images N]

It trains a VAE, the same with a KL weight that is far too large, and a third with a larger learning rate, writes the
page, opens it in headless Chromium, and looks whether curves, pictures and the finding are shown before it keeps the
picture. Minutes.

Read next: ``docs/watching.md``.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "watch.png"
ARGUMENTS = ("--no-sandbox", "--disable-gpu")
SIZE = {"width": 1240, "height": 1010}
RUNS: dict[str, tuple[str, ...]] = {
    "vae": ("vae",),
    "vae-fast": ("vae", "--lr", "4e-3"),
    "beta-vae": ("beta-vae", "--beta", "30"),
}


def minigen(place: Path, *words: object) -> None:
    """The command, in the folder `place`."""
    subprocess.run([sys.executable, "-m", "minigen", *map(str, words)], cwd=place, check=True)


def look(page_file: Path, picture: Path) -> None:
    """Open the page, smooth the curves, show the values at a place of the last chart, and take the picture."""
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        page: Any = browser.new_page(viewport=SIZE)
        page.goto(page_file.as_uri())
        page.wait_for_selector("body[data-finished]")
        page.get_by_label("smoothing").first.fill("3")
        page.locator("figure.chart canvas").last.hover(position={"x": 160, "y": 100})
        found = page.locator("#journal").inner_text()
        shown = page.locator("figure.chart").count(), page.locator(".reel img").count(), "posterior collapse" in found
        if shown != (3, 3, True):
            raise SystemExit(f"the page shows {shown} charts, pictures, findings; (3, 3, True) was wanted")
        page.screenshot(path=str(picture))
        browser.close()


def main(images: int, picture: Path) -> None:
    """Train, write the page, look at it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, words in RUNS.items():
            options = ("--limit", images, "--epochs", 8, "--log-every", 10, "--out", f"runs/{name}")
            minigen(place, "train", *words, *options)
        minigen(place, "watch", "runs", "-o", "page.html")
        look(place / "page.html", picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args()
    main(given.images, given.picture)
