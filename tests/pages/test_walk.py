"""The walk through the prior: where it leads, its controls, and what is said of each moment.

Read next: ``shown.py``, ``minigen/pages/static/panel_walk.js``.
"""

from __future__ import annotations

import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from pages.shown import assert_current, assert_sample, current, network, settled, shown, slide

from minigen.metrics.neighbours import nearest_distances

NORMAL = NormalDist()


def place(page: Any) -> tuple[int, float]:
    seed, t = re.findall(r"[\d.-]+", page.locator("#walk-place").inner_text().replace("\u2212", "-"))
    return int(seed), float(t)


def walked(page: Any, seed: int, t: float, n: int) -> np.ndarray:
    """The noise (n,) of a place, by the definition: a mean of noise weighed by the cubic B-spline, of variance 1."""
    rows = np.arange(np.floor(t) - 1, np.floor(t) + 3).astype(int)
    noise = np.array(
        page.evaluate(
            "({rows, seed, n}) => rows.map(k => Array.from(minigen.prior.noise(seed, k, n)))",
            {"rows": rows.tolist(), "seed": seed, "n": n},
        )
    )
    d = abs(t - rows)
    weights = np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, np.maximum(2 - d, 0) ** 3 / 6)
    return weights @ noise / np.linalg.norm(weights)


def test_noise_and_distribution_functions_are_what_they_are_called() -> None:
    with shown("gan") as (page, _):
        noise = np.array(
            page.evaluate("Array.from({length: 400}, (_, k) => Array.from(minigen.prior.noise(7, k, 50)))")
        )
        assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03 and abs((noise**4).mean() - 3) < 0.25
        assert abs(np.corrcoef(noise.T) - np.eye(50)).max() < 0.25  # 1 / sqrt(400) is 0.05
        assert abs(np.corrcoef(noise[:50]) - np.eye(50)).max() < 0.7
        x = np.linspace(-5, 5, 101)
        found = np.array(page.evaluate("x => x.map(minigen.prior.cdf)", x.tolist()))
        assert abs(found - [NORMAL.cdf(v) for v in x]).max() < 1.5e-7
        moments = np.array(
            page.evaluate("Array.from({length: 2000}, (_, k) => Array.from(minigen.prior.walk(k, 0.37 + k / 7, 5)))")
        )
        assert abs(moments.mean()) < 0.04 and abs(moments.std() - 1) < 0.03


@pytest.mark.parametrize("kind", ["gan", pytest.param("vae", marks=pytest.mark.slow)])
def test_steps_lead_along_the_path_and_the_image_follows(kind: str) -> None:
    with shown(kind) as (page, run):
        codes = []
        for _ in range(3):
            page.click("#walk-on")
            settled(page)
            seed, t = place(page)
            code, _ = current(page)
            np.testing.assert_allclose(code[0], walked(page, seed, t, code.shape[1]), atol=2e-6)
            assert_current(page, run)
            codes.append(code)
        assert place(page) == (1, pytest.approx(0.3))
        page.click("#walk-back")
        settled(page)
        np.testing.assert_array_equal(current(page)[0], codes[1])
        page.locator("#walk-on").press("ArrowLeft")
        page.locator("#walk-on").press("ArrowRight")
        settled(page)
        np.testing.assert_array_equal(current(page)[0], codes[1])
        page.click("#walk-path")
        settled(page)
        assert place(page) == (2, 0)
        assert abs(current(page)[0] - codes[0]).max() > 0.1
        assert_current(page, run)


def test_it_plays_at_its_speed_until_it_is_paused_or_another_code_is_chosen() -> None:
    with shown("gan") as (page, run):
        slide(page, "#walk-speed", 2)
        page.click("#walk-play")
        assert page.locator("#walk-play").inner_text() == "Pause"
        start = page.evaluate("minigen.page.decoded")
        while place(page)[1] < 0.5 or page.evaluate("minigen.page.decoded") <= start + 3:
            page.wait_for_timeout(50)
        slide(page, "#walk-speed", 0.05)
        before = place(page)[1]
        began = page.evaluate("performance.now()")
        while place(page)[1] <= before:
            page.wait_for_timeout(50)
        passed = (page.evaluate("performance.now()") - began) / 1000
        assert place(page)[1] - before <= 0.05 * passed + 0.02
        page.click("#walk-play")
        assert page.locator("#walk-play").inner_text() == "Play"
        settled(page)
        stopped = place(page)
        page.wait_for_timeout(200)
        assert place(page) == stopped
        assert_current(page, run)
        assert page.locator("canvas.wide").is_visible()  # the curve of scores
        page.click("#walk-play")
        page.click("#sample")
        page.wait_for_selector("#walk-play:text('Play')")
        assert_sample(page, run)


def test_truncation_is_the_prior_between_its_limits() -> None:
    with shown("gan") as (page, run):
        page.click("#walk-on")
        settled(page)
        free, _ = current(page)
        slide(page, "#walk-truncation", 0.5)
        settled(page)
        cut, _ = current(page)
        outside = NORMAL.cdf(-0.5)
        wanted = [NORMAL.inv_cdf(outside + NORMAL.cdf(z) * (1 - 2 * outside)) for z in free[0].tolist()]
        np.testing.assert_allclose(cut[0], wanted, atol=2e-6)
        assert abs(cut).max() <= 0.5 < abs(free).max()
        assert_current(page, run)
        assert "0.50" in page.locator("#walk-truncation + output").inner_text()
        slide(page, "#walk-truncation", 3)
        settled(page)
        np.testing.assert_array_equal(current(page)[0], free)
        assert page.locator("#walk-truncation + output").inner_text() == "off"


@pytest.mark.parametrize("kind", ["gan", "wgan-gp-rgb"])
def test_score_and_nearest_training_images_are_those_of_the_image(kind: str) -> None:
    with shown(kind) as (page, run):
        page.click("#walk-path")
        settled(page)
        code, _ = current(page)
        image = run.decode(code)
        wanted = float(network(run, "discriminator", image=image)["score"][0])
        page.wait_for_selector("#walk-nearest figure:nth-child(5)")
        page.wait_for_timeout(200)
        assert float(page.locator("#walk-score").get_attribute("data-value")) == pytest.approx(wanted, abs=1e-3)
        train = run.images("train").images_float()
        low, high = run.value_range
        flat = train.reshape(len(train), -1)
        found = sorted(float(nearest_distances(image.reshape(1, -1), row[None])[0]) / (high - low) for row in flat)
        said = [float(text.split()[-1]) for text in page.locator("#walk-nearest figcaption").all_inner_texts()]
        np.testing.assert_allclose(said, found[:5], atol=2e-3)


@pytest.mark.parametrize(
    "kind", ["cgan", "infogan", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("cvae", "acgan-rgb"))]
)
def test_the_class_is_chosen_and_the_walk_keeps_it(kind: str) -> None:
    with shown(kind) as (page, run):
        page.click("#walk-on")
        images = []
        for label in ("2", "5"):
            page.select_option("#class", label)
            settled(page)
            assert current(page)[1] == int(label)
            assert_current(page, run)
            code, _ = current(page)
            images.append(run.decode(code, classes=np.array([int(label)])))
        assert abs(images[0] - images[1]).max() > 0.02
        page.click("#walk-on")
        settled(page)
        assert current(page)[1] == 5
        assert_current(page, run)
        if kind == "cvae":
            return
        code, _ = current(page)
        image = run.decode(code, classes=np.array([5]))
        given = {"class": np.array([5], np.int32)} if kind == "cgan" else {}
        wanted = float(network(run, "discriminator", image=image, **given)["score"][0])
        page.wait_for_timeout(300)
        assert float(page.locator("#walk-score").get_attribute("data-value")) == pytest.approx(wanted, abs=1e-3)
        if kind == "cgan":
            assert not page.locator("#walk-class").count()
            return
        row = network(run, "classifier", image=image)["probabilities"][0]
        said = page.locator("#walk-class").inner_text()
        assert said.split()[0] == str(row.argmax()) and f"({100 * row.max():.0f} %)" in said


CODES = """Array.from({length: 500}, (_, k) =>
    Array.from(minigen.prior.code(minigen.prior.noise(3, k, 8), minigen.page.payload.abilities.prior)))"""


def test_the_first_numbers_of_infogan_are_uniform() -> None:
    with shown("infogan") as (page, _):
        codes = np.array(page.evaluate(CODES))
        uniform, normal = codes[:, :2], codes[:, 2:]
        assert abs(uniform).max() < 1 and abs(uniform.std() - 3**-0.5) < 0.03 and abs(normal.std() - 1) < 0.05
