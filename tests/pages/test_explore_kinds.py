"""The explore page of every kind of run: what the model cannot do is absent, and each image is minigen's own.

Read next: ``test_explore.py``; for the panels of GANs, codebooks and noise, the tests named after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages.browser import screenshot
from pages.explored import assert_shows, assert_shows_current, code_of, explored, label_of, settled
from pages.small_runs import data_of, small_run

import minigen as mg
from minigen import nn, ops
from minigen.explore import routes
from minigen.explore.abilities import abilities
from minigen.serving import Server

KINDS = (
    "ae", "conv-ae-rgb", "denoising-ae", "vae", "cvae", "conv-vae-rgb", "vae-2", "vq-vae", "gan", "acgan-rgb",
    "vae-gan-rgb", "began",
)  # fmt: skip

FAST = ("cvae", "vae-gan-rgb")  # the others are tested with the slow tests


def panels(page: Any) -> list[str]:
    ids = page.locator("section.panel").evaluate_all("(all) => all.map((one) => one.id)")
    return [name.removeprefix("panel-") for name in ids]


def use_what_is_there(page: Any, run: mg.Run) -> None:
    """The controls that all models share, as far as the page has them; each image is what minigen makes."""
    there = panels(page)
    assert_shows_current(page, run)
    page.click("#sample")
    code = assert_shows_current(page, run)
    np.testing.assert_allclose(code, run.draw("samples", 2, seed=0).codes[1:], atol=1e-6)
    if run.latent.classes:
        page.select_option("#class", index=2)
        assert_shows_current(page, run)
        assert label_of(page) == 2
    if "sliders" in there:
        k = page.evaluate("() => minigen.page.payload.latent.order[0]")
        slider = page.locator(f"#z{k}")
        low, high = (float(slider.get_attribute(end)) for end in ("min", "max"))
        slider.fill(str(0.25 * low + 0.75 * high))
        assert assert_shows_current(page, run)[0, k] == pytest.approx(0.25 * low + 0.75 * high, rel=1e-5)
    if "map" in there:
        page.locator("#map").focus()
        page.keyboard.press("Shift+ArrowLeft")
        assert_shows_current(page, run)
    page.click("#between .cell >> nth=4")
    assert_shows_current(page, run)
    if "mine" in there:
        page.click("#mine-test")
        page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
        image = np.array(page.evaluate("() => Array.from(minigen.page.sketch.floats())"), np.float32)
        image = image.reshape(1, *run.image_shape)
        told = run.experiment.conditioned_on is not None
        labels = [int(page.locator("#mine-class").input_value())] if told else None
        assert_shows(page, run, "#small", image)
        assert_shows(page, run, "#rebuilt", run.reconstruct(image, labels))
        page.click("#take-mine")
        settled(page)
        np.testing.assert_allclose(code_of(page), run.encode(image, labels), atol=1e-3)
        assert_shows_current(page, run)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=() if kind in FAST else pytest.mark.slow) for kind in KINDS])
def test_a_page_from_disk(kind: str, tmp_path: Path) -> None:
    run = small_run(kind)
    run.explore(tmp_path / "page.html")
    with explored(tmp_path / "page.html", width=1280, height=900) as page:
        offered = list(abilities(run, factors=True).panels)
        if not page.evaluate("() => minigen.page.payload.directions?.length"):  # none that its codes tell
            offered = [name for name in offered if name != "factors"]
        assert panels(page) == offered
        use_what_is_there(page, run)
        screenshot(page, f"explore-{kind}")


class Squeeze(nn.Module):
    """A network of a user's own, with codes that it decodes."""

    objective = "mse"

    def __init__(self, rng: Any) -> None:
        self.down, self.up = nn.Dense(784, 6, rng=rng), nn.Dense(6, 784, rng=rng)

    def encode(self, x: Any) -> Any:
        return ops.tanh(self.down(ops.flatten(x)))

    def decode(self, z: Any) -> Any:
        return ops.reshape(ops.sigmoid(self.up(z)), (-1, 1, 28, 28))


@pytest.fixture(params=["cvae", "of a user's own"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[mg.Run, Server]]:
    if request.param == "cvae":
        run = small_run("cvae")
    else:
        images = data_of("train", False), data_of("test", False)
        run = mg.train(Squeeze, images[0], test=images[1], max_steps=20, validation=0.0, progress=False)
    with Server(routes(run), host="127.0.0.1", port=0) as server:
        yield run, server


def test_a_page_that_minigen_serves(served: tuple[mg.Run, Server]) -> None:
    run, server = served
    with explored(server.url, width=1280, height=900) as page:
        use_what_is_there(page, run)


def test_the_command_may_end_while_its_page_is_open() -> None:
    run = small_run("vae")
    with Server(routes(run), host="127.0.0.1", port=0) as server, explored(server.url, allowed=("ERR_FAILED",)) as page:
        page.route("**/run?*", lambda route: route.abort())
        page.click("#mean")
        page.wait_for_selector("#complaint:not([hidden])")
        assert "is the command still running?" in page.locator("#complaint").inner_text()
        page.unroute("**/run?*")
        page.click("#mean")  # it is back
        assert_shows_current(page, run)
