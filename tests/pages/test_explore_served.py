"""The explore page as minigen serves it: a network of a user's own, and a command that has ended.

Read next: ``test_kinds.py``, which serves one run of each family.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pages.explored import assert_shows, assert_shows_current, code_of, explored, settled
from pages.small_runs import data_of, small_run

import minigen as mg
from minigen import nn, ops
from minigen.explore import routes
from minigen.serving import Server


def use_what_is_there(page: Any, run: mg.Run) -> None:
    """Controls of a model with codes; each image is what minigen makes."""
    assert_shows_current(page, run)
    page.click("#sample")
    code = assert_shows_current(page, run)
    np.testing.assert_allclose(code, run.draw("samples", 2, seed=0).codes[1:], atol=1e-6)
    page.locator("#map").focus()
    page.keyboard.press("Shift+ArrowLeft")
    assert_shows_current(page, run)
    page.click("#between .cell >> nth=4")
    assert_shows_current(page, run)
    image = np.array(page.evaluate("() => Array.from(minigen.page.sketch.floats())"), np.float32)
    image = image.reshape(1, *run.image_shape)
    assert_shows(page, run, "#small", image)
    page.wait_for_selector("#panel-mine .body[data-seen]")
    assert_shows(page, run, "#rebuilt", run.reconstruct(image))
    page.click("#take-mine")
    settled(page)
    np.testing.assert_allclose(code_of(page), run.encode(image), atol=1e-3)
    assert_shows_current(page, run)


class Squeeze(nn.Module):
    """A network of a user's own, with codes that it decodes."""

    objective = "mse"

    def __init__(self, rng: Any) -> None:
        self.down, self.up = nn.Dense(784, 6, rng=rng), nn.Dense(6, 784, rng=rng)

    def encode(self, x: Any) -> Any:
        return ops.tanh(self.down(ops.flatten(x)))

    def decode(self, z: Any) -> Any:
        return ops.reshape(ops.sigmoid(self.up(z)), (-1, 1, 28, 28))


def test_a_network_of_a_users_own(tmp_path: Path) -> None:
    run = mg.train(
        Squeeze, data_of("train", False), test=data_of("test", False), max_steps=20, validation=0.0, progress=False
    )
    run.explore(tmp_path / "page.html")
    with Server(routes(run)) as server:
        for place in (server.url, tmp_path / "page.html"):
            with explored(place, width=1280, height=900) as page:
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
