"""Make docs/images/explore.png: the page of a VAE after three epochs on glyphs, as a browser shows it.

    pip install -e '.[browser]'      # and a Chromium: apt-get install chromium
    python docs/make/explore.py [RUN]

Without RUN the VAE is trained first. A minute or two.

Read next: ``docs/explore.md``.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

import minigen as mg

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "explore.png"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync")  # fmt: skip
SIZE = {"width": 1240, "height": 860}


def picture(page: Path) -> None:
    """The page's upper part, with its plane decoded and a test image under the pointer."""
    browsers = importlib.import_module("playwright.sync_api")
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        shown = browser.new_context(viewport=SIZE, offline=True).new_page()
        shown.set_default_timeout(120_000)
        shown.goto(page.as_uri())
        shown.wait_for_selector("body[data-finished]")
        shown.evaluate("() => minigen.page.take(13, 'docs')")
        where = shown.evaluate("""() => {
            const view = new minigen.MapView(minigen.page);
            const [a, b] = view.toWindow(view.points[41]);
            const box = document.querySelector("#map").getBoundingClientRect();
            return [box.x + a * box.width, box.y + b * box.height];
        }""")
        shown.mouse.move(*where)
        shown.wait_for_timeout(500)
        shown.screenshot(path=str(PICTURE))
        browser.close()


def main() -> None:
    """Train, if there is no run, write the page, and keep the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", help="the folder of a run")
    given = parser.parse_args().run
    run = mg.open_run(given) if given else mg.train("vae", epochs=3)
    with tempfile.TemporaryDirectory() as folder:
        run.explore(Path(folder) / "page.html")
        picture(Path(folder) / "page.html")
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1000} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
