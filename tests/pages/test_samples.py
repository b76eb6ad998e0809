"""The table of scores: samples, test images and reconstructions, each with what the discriminator says of it.

Read next: ``shown.py``, ``minigen/pages/static/panel_samples.js``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pages.browser import pixels
from pages.shown import assert_current, assert_painted, current, network, settled, shown, slide

import minigen as mg

COUNT = 24


def drawn(page: Any) -> int:
    """How often the table was drawn."""
    return int(page.locator("#samples-table").get_attribute("data-drawn") or 0)


def act(page: Any, action: Any) -> None:
    """Do something, and wait until the table was drawn again."""
    before = drawn(page)
    action()
    for _ in range(600):
        if drawn(page) > before:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the table was not drawn again")


def table(page: Any) -> tuple[np.ndarray, np.ndarray]:
    """Its pixels (N, H, W, 4) and scores (N,)."""
    shape, values, scores = page.evaluate(
        """() => {
            const all = (tag) => [...document.querySelectorAll(`#samples-table ${tag}`)];
            const [{width, height}] = all("canvas");
            const read = (canvas) => Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data);
            const scores = all("figcaption").map((one) => Number(one.dataset.score));
            return [[scores.length, height, width, 4], all("canvas").flatMap(read), scores];
        }"""
    )
    return np.array(values, np.uint8).reshape(shape), np.array(scores)


def scores_of(run: mg.Run, images: np.ndarray, codes: np.ndarray | None, labels: np.ndarray | None) -> np.ndarray:
    """The scores by the definition, from the discriminator of the run."""
    takes = {"cgan": "class", "ali": "code", "aae": "code"}.get(run.recipe.name)
    given: dict[str, Any] = {} if run.recipe.name == "aae" else {"image": images}
    if run.recipe.name == "pacgan":  # with the first sample
        given["image"] = np.concatenate([images, np.repeat(run.sample(1), len(images), 0)], 1)
    if takes == "class":
        given["class"] = labels
    if takes == "code":
        given["code"] = codes
    made = network(run, "discriminator", **given)
    if "score" in made:
        return made["score"]
    difference, flat = images - made["reconstruction"], images.reshape(len(images), -1)
    if run.recipe.name == "ebgan":
        return np.square(difference).mean((1, 2, 3))
    contrast = abs(flat - flat.mean(1, keepdims=True)).mean(1)
    return abs(difference).mean((1, 2, 3)) / (contrast + 0.1)


def assert_table(page: Any, run: mg.Run, images: np.ndarray, codes: Any = None, labels: Any = None) -> None:
    found, scores = table(page)
    assert len(found) == len(images)
    for one, image in zip(found, images, strict=True):
        assert_painted(one, image, run)
    wanted = scores_of(run, images, codes, labels)
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose(scores, wanted, rtol=1e-3, atol=1e-3)


FAST = ("wgan-gp-rgb", "pacgan", "ali", "began")
OTHERS = ("gan", "cgan", "lsgan", "sngan", "acgan-rgb", "infogan", "aae", "vae-gan-rgb", "ebgan")


@pytest.mark.parametrize("kind", [*FAST, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)])
def test_every_image_has_the_score_that_minigen_computes(kind: str) -> None:
    with shown(kind) as (page, run):
        drawing = run.draw("samples", COUNT)
        assert_table(page, run, drawing.images, drawing.codes, drawing.labels)
        unit = {
            "wgan-gp": "critic value",
            "lsgan": "trained to be 1",
            "sngan": "above 1",
            "began": "low for real",
            "ebgan": "low for real",
            "pacgan": "with one sample",
            "ali": "image and code",
            "aae": "of the code",
        }
        panel = page.locator("#panel-samples").inner_text()
        assert unit.get(run.recipe.name, "logit") in panel
        if "logit" in panel:
            score = float(page.locator("#samples-table figcaption").first.get_attribute("data-score"))
            assert (
                f"({100 / (1 + np.exp(-score)):.0f}\u202f%)"
                in page.locator("#samples-table figcaption").first.inner_text()
            )

        options = page.locator("#samples-source option").all_inner_texts()
        everything = run.images("test")
        test = run.some(everything, len(everything)).subset(slice(0, COUNT))
        images, labels = test.images_float(), test.labels
        has_encoder = run.experiment.encode is not None
        assert len(options) == (3 if has_encoder else 2)
        codes = run.encode(images) if has_encoder else None
        act(page, lambda: page.select_option("#samples-source", "test"))
        assert_table(page, run, images, codes, labels)
        if has_encoder:
            act(page, lambda: page.select_option("#samples-source", "reconstructions"))
            assert_table(page, run, run.reconstruct(images), codes, labels)


def test_controls_of_the_table() -> None:
    with shown("gan") as (page, run):
        first, scores = table(page)
        act(page, lambda: page.check("#samples-sorted"))
        after, ordered = table(page)
        np.testing.assert_array_equal(ordered, np.sort(scores)[::-1])
        np.testing.assert_array_equal(after, first[np.argsort(-scores, kind="stable")])
        act(page, lambda: page.uncheck("#samples-sorted"))

        act(page, lambda: page.click("#samples-others"))
        more = run.draw("samples", 2 * COUNT)
        assert_table(page, run, more.images[COUNT:])

        act(page, lambda: slide(page, "#samples-truncation", 0.3))
        page.locator("#samples-table button").first.click()
        settled(page)
        code, _ = current(page)
        assert abs(code).max() <= 0.3
        assert_current(page, run)
        np.testing.assert_array_equal(table(page)[0][0][..., :3], pixels(page, "#current")[..., :3])
        act(page, lambda: page.select_option("#samples-source", "test"))
        assert not page.locator("#samples-truncation").is_visible()
        assert not page.locator("#samples-table button").count()  # without an encoder they have no code


def test_errors_are_sorted_from_the_lowest() -> None:
    with shown("began") as (page, _):
        _, scores = table(page)
        act(page, lambda: page.check("#samples-sorted"))
        np.testing.assert_array_equal(table(page)[1], np.sort(scores))


def test_samples_of_one_class() -> None:
    with shown("cgan") as (page, run):
        act(page, lambda: page.select_option("#samples-class", "3"))
        drawing = run.draw("samples", COUNT, classes=3)
        assert_table(page, run, drawing.images, labels=drawing.labels)
        page.locator("#samples-table button").nth(2).click()
        settled(page)
        assert current(page)[1] == 3 and page.locator("#class").input_value() == "3"
        np.testing.assert_allclose(current(page)[0][0], drawing.codes[2], atol=1e-6)
