"""What networks cost in a page that computes them: their size, and milliseconds in headless Chromium.

    python benchmarks/page_networks.py          # a minute; writes benchmarks/results/page-networks-<cpu>.json

Models of the usual size for glyphs (28x28), "-rgb" for colour images of 32x32, and a DCGAN of 128 channels. The part is
that which makes images. Measured in one thread of the page, medians; "plain" is without WebAssembly.

Needs Playwright and a Chromium. Imports: minigen. Read next: ``docs/explore.md``.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen.explore.page import FORWARD, html
from minigen.explore.programs import program_of
from minigen.pages.assemble import STATIC
from minigen_bench.harness import Settings
from minigen_bench.session import empty_result
from minigen_bench.tables import slug

RESULTS = Path(__file__).resolve().parent / "results"
GREY, RGB = (1, 28, 28), (3, 32, 32)
MODELS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "vae": ("vae", GREY, {}), "conv-ae": ("conv-ae", GREY, {}), "conv-vae": ("conv-vae", GREY, {}),
    "vq-vae": ("vq-vae", GREY, {}), "dcgan": ("dcgan", GREY, {}), "dcgan-rgb": ("dcgan", RGB, {}),
    "dcgan-rgb, 128 channels": ("dcgan", RGB, {"channels": 128}),
}  # fmt: skip
BATCHES = {"simd": (1, 64), "plain": (1,)}
MEASURE = """([program, size, batches]) => {
  const network = new Network(program);
  return batches.map((n) => {
    const code = { data: Float32Array.from({ length: n * size }, Math.random), shape: [n, size] };
    const once = () => { const start = performance.now(); network.run({ code }); return performance.now() - start; };
    const begun = performance.now();
    while (performance.now() - begun < 300) once();
    const many = Math.max(1, Math.ceil(20 / once())); // the clock of a page has steps of 0.1 ms
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      for (let i = 0; i < many; i++) network.run({ code });
      return (performance.now() - start) / many;
    });
    return times.sort((a, b) => a - b)[3];
  });
}"""


def trained(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> mg.Run:
    """A model after one update: the numbers do not matter."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((80, *shape)).astype(np.float32), rng.integers(0, 10, 80)
    data: dict[str, Any] = dict(data=images[:64], labels=labels[:64], test=(images[64:], labels[64:]))
    return mg.train(name, **data, max_steps=1, batch_size=16, progress=False, **options)


def main() -> None:
    """Measure, print, and write."""
    playwright = importlib.import_module("playwright.sync_api").sync_playwright
    source = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in FORWARD)
    result: dict[str, Any] = {**empty_result(Settings(), ()), "networks": {}}
    with playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        result["browser"] = f"Chromium {browser.version}"
        for label, (name, shape, options) in MODELS.items():
            run = trained(name, shape, options)
            program, text = program_of(run), html(run)
            found: dict[str, Any] = {"program_mb": program["bytes"] / 1e6, "page_mb": len(text) / 1e6}
            for way, batches in BATCHES.items():
                page = browser.new_page()
                page.set_content(f"<script>{source}</script>")
                page.evaluate("way => { memory.start(); if (way === 'plain') memory.kernels = null; }", way)
                times = page.evaluate(MEASURE, [program, run.latent.size, batches])
                found[f"{way}_ms"] = dict(zip(map(str, batches), times))
                page.close()
            file = Path(folder) / "page.html"
            file.write_text(text, encoding="utf-8")
            page = browser.new_page()
            page.goto(file.as_uri())
            page.wait_for_selector("body[data-finished]")
            found["open_ms"] = page.evaluate("() => performance.now()")
            page.close()
            result["networks"][label] = found
            print(label, found, flush=True)
        browser.close()
    path = RESULTS / f"page-networks-{slug(result['machine']['cpu'])}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
