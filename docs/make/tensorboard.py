"""Make docs/images/tensorboard.png: a GAN that was killed and resumed, as TensorBoard shows it in a browser.

    pip install -e '.[tensorboard]' tensorboard playwright      # and a Chromium: apt-get install chromium
    python docs/make/tensorboard.py [--images N]

It trains, kills the process in the middle of an epoch, resumes, starts TensorBoard on a port of this machine, opens it
in headless Chromium, and looks whether curves, samples and histograms are shown before it keeps the picture. Minutes.

Read next: ``docs/watching.md``.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "tensorboard.png"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync")  # fmt: skip
TAGS = "batch/generator|batch/discriminator|samples|(weights|gradients)/generator.0.weight"
SIZE = {"width": 1500, "height": 1050}


def minigen(*words: object) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "minigen", *map(str, words)])


def train(run: Path, images: int) -> None:
    """A GAN of 12 epochs that is killed in its seventh, and resumed."""
    words = ("--limit", images, "--epochs", 12, "--log-every", 10, "--checkpoint-every", 25, "--log", "csv,tensorboard")
    process = minigen("train", "dcgan", "--dataset", "glyphs", "--out", run, *words)
    while not (run / "samples" / "epoch_006.png").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(1)
    process.kill()
    process.wait()
    if minigen("train", "--resume", run).wait():
        raise SystemExit("the run could not be resumed")


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """TensorBoard on a free port, and the address that it prints."""
    words = ("-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", "--reload_interval", "5")
    server = subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(r"http://localhost:\d+", line)
        if found:
            return server, found.group()
    raise SystemExit("TensorBoard has ended")


def look(address: str, picture: Path) -> None:
    """Open the page, wait until all is drawn, and take the picture."""
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        page: Any = browser.new_page(viewport=SIZE)
        page.goto(f"{address}/?tagFilter={quote(TAGS)}#timeseries")
        page.locator("image-card img").first.wait_for(timeout=120_000)
        page.get_by_label("Close side pane").click()
        page.wait_for_timeout(8000)  # curves are drawn one after another
        cards = {kind: page.locator(f"{kind}-card").count() for kind in ("scalar", "image", "histogram")}
        if not all(cards.values()):
            raise SystemExit(f"TensorBoard shows {cards}, and some of each are wanted")
        page.screenshot(path=str(picture))
        browser.close()


def main(images: int, run: Path | None, picture: Path) -> None:
    """All of it; with a `run` that is there already only the picture."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "runs"
        logs.mkdir()
        if run is None:
            train(logs / "dcgan-glyphs", images)
        server, address = serve(logs if run is None else run)
        try:
            look(address, picture)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--run", type=Path, help="of a run that is there already")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    main(**vars(parser.parse_args()))
