"""Runs of every family and kind of latent, grey 28x28 and RGB 32x32: the page as a file, and served by minigen.

Read next: ``shown.py``, ``small_runs.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pages.browser import pixels
from pages.shown import (
    assert_current,
    assert_painted,
    assert_sample,
    assert_shows,
    current,
    decoded,
    network,
    settled,
    shown,
    slide,
)

import minigen as mg
from minigen.explore.abilities import abilities

KINDS = (
    "ae", "conv-ae-rgb", "denoising-ae", "rae-rgb", "vae-2", "conv-vae-rgb", "cvae", "beta-vae", "burda-vae",
    "vq-vae-rgb", "gan", "wgan-gp-rgb", "infogan", "acgan-rgb", "ali", "aae", "vae-gan-rgb", "began",
)  # fmt: skip

#: The name of each control for a screen reader, or where there is none its tag and id.
NAMELESS = """() => [...document.querySelectorAll("button, select, input, canvas, [tabindex]")]
    .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
    .filter((one) => !(one.getAttribute("aria-label") || one.labels?.length || one.textContent.trim()))
    .filter((one) => one.getAttribute("role") !== "presentation")
    .map((one) => `${one.tagName} ${one.id} ${one.className}`)"""


#: The others are tested with the slow tests.
FAST = (("infogan", False), ("vae-gan-rgb", False), ("vq-vae-rgb", True))
#: One of each family is served, too: the same page, whose networks minigen computes.
SERVED = ("denoising-ae", "cvae", "vq-vae-rgb", "acgan-rgb", "ali")
CASES = [*((kind, False) for kind in KINDS), *((kind, True) for kind in SERVED)]


@pytest.mark.parametrize(
    ("kind", "served"), [pytest.param(*case, marks=() if case in FAST else pytest.mark.slow) for case in CASES]
)
def test_a_page_of_each_kind_shows_what_minigen_computes(kind: str, served: bool) -> None:
    with shown(kind, served=served) as (page, run):
        offered = abilities(run, factors=page.evaluate("Boolean(minigen.page.payload.directions?.length)"))
        assert page.evaluate("[...document.querySelectorAll('.panel')].map((one) => one.id)") == [
            f"panel-{name}" for name in offered.panels
        ]
        assert page.evaluate(NAMELESS) == []
        images = [image_after(page, run, lambda: page.click("#sample"))]
        assert_sample(page, run)
        if offered.encodes:
            images.append(image_after(page, run, lambda: page.evaluate("minigen.page.take(3, 'test')")))
            assert_code_of_test_image(page, run, 3)
        if "map" in offered.panels:
            page.locator("#map").focus()
            images.append(image_after(page, run, lambda: page.keyboard.press("Shift+ArrowLeft")))
        if "sliders" in offered.panels:
            images.append(image_after(page, run, lambda: to_the_end(page, "#panel-sliders input")))
        if offered.classes:
            images.append(image_after(page, run, lambda: page.select_option("#class", "4")))
        if "walk" in offered.panels:
            images.append(image_after(page, run, lambda: page.click("#walk-on")))
        if "codes" in offered.panels:
            images.append(image_after(page, run, lambda: page.click("#codes-fill")))
            assert len(set(page.locator("#codes-grid").get_attribute("data-indices").split())) == 1
        if "factors" in offered.panels:
            images.append(image_after(page, run, lambda: to_the_end(page, "#panel-factors input")))
        if "interpolation" in offered.panels:
            images.append(image_after(page, run, lambda: page.click("#between .cell >> nth=4")))
        assert max(abs(a - b).max() for a, b in zip(images, images[1:], strict=False)) > 0.02
        if "samples" in offered.panels:
            assert_first_sample(page, run)
        if "mine" in offered.panels:
            assert_mine(page, run)
        if "denoise" in offered.panels:
            seen = page.evaluate("Array.from(minigen.page.noise.noisy)")
            noisy = np.array(seen, np.float32).reshape(1, *run.image_shape)
            assert_shows(page, "#denoise-result", run.reconstruct(noisy)[0], run)


def image_after(page: Any, run: mg.Run, action: Any) -> np.ndarray:
    """The image of the current code after an action, which the page shows as minigen makes it."""
    action()
    settled(page)
    assert_current(page, run)
    code, label = current(page)
    return decoded(run, code, label)[0]


def to_the_end(page: Any, selector: str) -> None:
    slide(page, selector, float(page.locator(selector).first.get_attribute("max")))


def assert_code_of_test_image(page: Any, run: mg.Run, i: int) -> None:
    everything = run.images("test")
    codes = run.encode(run.some(everything, len(everything)))  # all of them: with --binarize dynamic the place counts
    np.testing.assert_allclose(current(page)[0][0], codes[i], atol=1e-3)


def assert_first_sample(page: Any, run: mg.Run) -> None:
    """The first image of the table, and its score, where the discriminator looks at an image alone."""
    first = run.draw("samples", 1)
    canvas = "#samples-table canvas"
    assert_painted(pixels(page, canvas), first.images[0], run)
    made = network(run, "discriminator", **arguments(run, first))
    if "score" in made:
        said = float(page.locator("#samples-table figcaption").first.get_attribute("data-score"))
        assert said == pytest.approx(float(made["score"][0]), abs=1e-3, rel=1e-3)


def assert_mine(page: Any, run: mg.Run) -> None:
    """A test image of "encode mine": its reconstruction, and its code, where the model has one."""
    body = "#panel-mine .body"
    page.wait_for_selector(f"{body}[data-seen]")  # the image that stands there at first has been looked at
    before = page.locator(body).get_attribute("data-seen")
    page.click("#mine-test")
    page.wait_for_selector(f"{body}:not([data-seen='{before}'])")
    image = np.array(page.evaluate("Array.from(minigen.page.sketch.floats())"), np.float32).reshape(1, *run.image_shape)
    told = run.experiment.conditioned_on is not None
    labels = [int(page.locator("#mine-class").input_value())] if told else None
    assert_shows(page, "#small", image[0], run)
    # of the networks: run.reconstruct and run.encode would binarize first, with --binarize dynamic
    given = {"image": image} if labels is None else {"image": image, "class": np.array(labels)}
    if abilities(run).reconstructs:
        assert_shows(page, "#rebuilt", network(run, "reconstruct", **given)["reconstruction"][0], run)
    if abilities(run).encodes:
        page.click("#take-mine")
        settled(page)
        made = network(run, "encoder", **given)
        np.testing.assert_allclose(current(page)[0], made.get("mean", made.get("code")), atol=1e-3)
        assert_current(page, run)


def arguments(run: mg.Run, drawing: Any) -> dict[str, Any]:
    given = {"image": drawing.images, "code": drawing.codes, "class": drawing.labels}
    score = abilities(run).score
    return {name: given[name] for name in score.takes} if score else {}


@pytest.mark.parametrize("kind", ["vq-vae-rgb", "ali", "beta-vae", "denoising-ae"])
def test_a_narrow_dark_window(kind: str) -> None:
    with shown(kind, width=360, dark=True) as (page, _):
        wide = "[...document.querySelectorAll('main *')].filter((x) => x.getBoundingClientRect().right > 361).length"
        assert page.evaluate(wide) == 0 and page.evaluate("document.documentElement.scrollWidth") == 360
