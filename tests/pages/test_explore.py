"""The explore page in Chromium, from disk with the network off: every control is used, pixels are minigen's own.

Read next: ``explored.py``, ``test_kinds.py``.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages.browser import look, opened, screenshot
from pages.explored import STANDS, assert_shows, assert_shows_current, code_of, explored, settled
from PIL import Image

import minigen as mg
from minigen.runs import sampling


def place_on_map(page: Any, i: int) -> tuple[float, float]:
    """Where the code of test image i is, in pixels of the window, by the projection itself."""
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    a, b = page.evaluate(f"""() => {{
        const view = new minigen.MapView(minigen.page);
        return view.toWindow(view.points[{i}]);
    }}""")
    return box["x"] + a * box["width"], box["y"] + b * box["height"]


def lonely(page: Any) -> int:
    """A test image whose place on the map is far from those of others."""
    return page.evaluate("""() => {
        const { points } = new minigen.MapView(minigen.page);
        const apart = ([x, y], [p, q]) => Math.hypot(x - p, y - q);
        const gap = (i) => Math.min(...points.filter((_, j) => j !== i).map((point) => apart(point, points[i])));
        return points.map((_, i) => [gap(i), i]).sort((p, q) => q[0] - p[0])[0][1];
    }""")


def test_the_page_begins_with_a_test_image(page: Any, run: mg.Run) -> None:
    code = assert_shows_current(page, run)
    first = run.some(run.images("test"), 2000).subset(slice(1))
    np.testing.assert_allclose(code, run.encode(first), atol=1e-5)
    assert page.locator("h1").inner_text() == "beta-vae on in-memory"
    screenshot(page, "explore-beta-vae")


def test_the_map_is_the_principal_plane(page: Any, run: mg.Run) -> None:
    codes = run.encode(run.some(run.images("test"), 2000)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(codes.T, bias=True))
    for k in (0, 1):
        component = np.array(page.evaluate("() => Array.from(minigen.page.payload.pca.components.data)"))
        found = component.reshape(2, -1)[k]
        assert abs(found @ vectors[:, -1 - k]) == pytest.approx(1, abs=1e-4)
    shares = page.evaluate("() => minigen.page.payload.pca.explained")
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), rtol=1e-5)


def test_hover_shows_image_and_label_and_a_click_takes_it(page: Any, run: mg.Run) -> None:
    images = run.some(run.images("test"), 2000)
    i = lonely(page)
    page.mouse.move(*place_on_map(page, i))
    tip = page.locator(".tip")
    assert tip.is_visible() and tip.inner_text() == f"label {images.classes[images.labels[i]]}"
    assert_shows(page, run, ".tip canvas", images.images_float(slice(i, i + 1)))
    page.mouse.down()
    page.mouse.up()
    settled(page)
    np.testing.assert_allclose(code_of(page), run.encode(images.subset(slice(i, i + 1))), atol=1e-5)
    assert_shows_current(page, run)


def test_a_click_between_points_moves_the_code_in_the_plane_only(page: Any, run: mg.Run) -> None:
    before = code_of(page)
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + 4, box["y"] + 4)  # a corner: no point is there
    after = assert_shows_current(page, run)
    components = np.array(page.evaluate("() => Array.from(minigen.page.payload.pca.components.data)")).reshape(2, -1)
    moved = (after - before)[0]
    np.testing.assert_allclose(components.T @ (components @ moved), moved, atol=1e-4)
    assert np.linalg.norm(moved) > 0.1
    page.check("#flat")
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    mean = np.array(page.evaluate("() => Array.from(minigen.page.payload.pca.mean.data)"))
    code = assert_shows_current(page, run)[0] - mean
    np.testing.assert_allclose(components.T @ (components @ code), code, atol=1e-4)


DRAG = """async () => {
    const map = document.querySelector("#map");
    const box = map.getBoundingClientRect();
    const rates = [];
    for (let turn = 0, window = 0; window < 20 && !(Math.max(...rates) >= 25); window++) {
        const [before, began] = [minigen.page.decoded, performance.now()];
        while (performance.now() - began < 500) {
            turn += 0.1;
            const clientX = box.x + box.width * (0.5 + 0.25 * Math.cos(turn));
            const clientY = box.y + box.height * (0.5 + 0.25 * Math.sin(turn));
            map.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
            await new Promise(requestAnimationFrame);
        }
        rates.push((1000 * (minigen.page.decoded - before)) / (performance.now() - began));
    }
    return Math.max(...rates);
}"""


def test_dragging_paints_at_least_20_images_a_second(page: Any, run: mg.Run) -> None:
    """The best of some half seconds, as other tests may run beside this one; an image a frame is the most there is."""
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    rate = page.evaluate(DRAG)
    assert page.locator(".tip").is_visible()  # the image follows the pointer
    page.mouse.up()
    assert rate >= 20, f"{rate:.0f} images a second"
    assert_shows_current(page, run)


def test_the_map_by_keyboard(page: Any, run: mg.Run) -> None:
    before = code_of(page)
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        settled(page)
    assert np.abs(assert_shows_current(page, run) - before).max() > 0.01
    assert "nearest on the map: label" in page.locator("#map-status").inner_text()
    page.keyboard.press("Enter")
    settled(page)
    code = assert_shows_current(page, run)
    assert np.abs(run.encode(run.images("test")) - code).max(1).min() < 1e-4  # that of a test image


def test_planes_colours_and_the_decoded_plane(page: Any, run: mg.Run) -> None:
    def points() -> np.ndarray[Any, Any]:
        text = page.locator("#map").evaluate("(canvas) => canvas.toDataURL()").partition(",")[2]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))

    seen = [points()]
    factors = page.locator("#colour option").all_inner_texts()
    assert factors == ["label", *(name for name in run.images("test").factors if name != "class")]
    for name in ("rotation", "label"):
        page.select_option("#colour", name)
        seen.append(points())
    assert (seen[0] != seen[1]).any() and (seen[0] == seen[2]).all()
    assert page.locator("#legend").inner_text().split() == [str(k) for k in range(10)]
    page.select_option("#axes", "two")
    assert (points() != seen[0]).any()
    page.get_by_label("Across").select_option(index=2)
    order = page.evaluate("() => minigen.page.payload.latent.order")
    before = code_of(page)
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    changed = np.flatnonzero(np.abs(assert_shows_current(page, run) - before)[0] > 1e-6)
    assert set(changed) == {order[2], order[1]}
    plain = points()
    page.check("#tiles")
    page.wait_for_function("() => document.querySelector('#map').dataset.tiles")
    assert (points() != plain).mean() > 0.2
    page.uncheck("#tiles")
    assert (points() == plain).all()


def test_sliders_change_one_dimension_each(page: Any, run: mg.Run) -> None:
    order = page.evaluate("() => minigen.page.payload.latent.order")
    kl = run.experiment.diagnostics(run.images("test").images_float())["kl"].mean(0)
    assert list(kl[order]) == sorted(kl[order], reverse=True)
    page.click("#more-sliders")
    assert page.locator("#panel-sliders input").count() == run.latent.size
    for k in (order[0], order[-1]):
        before = code_of(page)
        slider = page.locator(f"#z{k}")
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        after = assert_shows_current(page, run)
        assert np.flatnonzero(after != before).tolist() == [k] and after[0, k] > before[0, k]
    page.locator(f"#z{order[0]}").fill("1.5")
    assert assert_shows_current(page, run)[0, order[0]] == pytest.approx(1.5)


def test_a_traversal_goes_along_its_dimension(page: Any, run: mg.Run) -> None:
    page.wait_for_selector("#panel-strips .body[data-filled]")
    code, order = code_of(page), page.evaluate("() => minigen.page.payload.latent.order")
    codes = run.encode(run.some(run.images("test"), 2000))
    for k in order[:2]:
        for j in (0, 4, 8):
            there = code.copy()
            there[0, k] = np.linspace(*np.quantile(codes[:, k].astype(np.float64), (0.005, 0.995)), 9)[j]
            assert_shows(page, run, f"#strip-{k} .cell:nth-of-type({j + 1}) canvas", run.decode(there))
    page.click(f"#strip-{order[1]} .cell >> nth=8")
    assert_shows_current(page, run)
    np.testing.assert_allclose(code_of(page)[0, order[1]], there[0, order[1]], atol=1e-5)


@pytest.mark.parametrize("way", ["spherical", "linear"])
def test_interpolation_between_two_images(page: Any, run: mg.Run, way: str) -> None:
    images = run.some(run.images("test"), 2000)
    page.select_option("#way", way)
    for i in (3, 5):
        page.click(f".tray .cell >> nth={i}")
        settled(page)
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    a, b = run.encode(images.subset(np.array([3]))), run.encode(images.subset(np.array([5])))
    codes = sampling.between(a, b, 10, way)[0]
    for j in (0, 4, 9):
        assert_shows(page, run, f"#between .cell >> nth={j} >> canvas", run.decode(codes[j : j + 1]))
    assert_shows(page, run, "#end-A", run.decode(a))
    assert_shows(page, run, "#end-B", run.decode(b))
    page.locator("#t").fill("0.5")
    np.testing.assert_allclose(assert_shows_current(page, run), sampling.between(a, b, 3, way)[:, 1], atol=1e-5)
    page.click("#between .cell >> nth=9")
    np.testing.assert_allclose(assert_shows_current(page, run), b, atol=1e-5)
    page.click("#use-A")
    settled(page)
    page.click("#play")
    before = page.evaluate("() => minigen.page.decoded")
    page.wait_for_function(f"() => minigen.page.decoded > {before} + 3")
    page.click("#play")
    assert page.locator("#play").inner_text() == "Play"
    assert_shows_current(page, run)


def test_the_stage_goes_to_samples_images_the_mean_and_back(page: Any, run: mg.Run) -> None:
    first = code_of(page)
    page.click("#sample")
    sample = assert_shows_current(page, run)
    np.testing.assert_allclose(sample, run.draw("samples", 2, seed=0).codes[1:], atol=1e-6)
    page.click("#mean")
    codes = run.encode(run.some(run.images("test"), 2000))
    np.testing.assert_allclose(assert_shows_current(page, run)[0], codes.mean(0), atol=1e-5)
    page.click("#some-test")
    code = assert_shows_current(page, run)
    assert np.abs(codes - code).max(1).min() < 1e-5
    for expected in (codes.mean(0)[None], sample, first):
        page.click("#undo")
        np.testing.assert_allclose(assert_shows_current(page, run), expected, atol=1e-5)
    assert page.locator("#undo").is_disabled()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_narrow_window_light_and_dark(file: Path, dark: bool) -> None:
    with explored(file, width=360, height=740, dark=dark) as page:
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
        assert (look(page)[-1, 0].mean() < 60) == dark
        screenshot(page, f"explore-360-{'dark' if dark else 'light'}")


def test_every_control_has_a_name_for_a_screen_reader(page: Any) -> None:
    unnamed = page.evaluate("""() => [...document.querySelectorAll("button, input, select, canvas")].filter((one) => {
        const hidden = one.closest("[aria-hidden=true]") || one.getAttribute("role") === "presentation" || one.hidden;
        const label = one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim();
        return !hidden && !label && !one.textContent.trim() && !one.title;
    }).map((one) => one.outerHTML.slice(0, 120))""")
    assert unnamed == []
    assert page.locator("html").get_attribute("lang") == "en"
    headings = page.locator("h1, h2, h3").evaluate_all("(all) => all.map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1 and max(np.diff(headings)) <= 1


def test_a_page_that_is_damaged_says_so(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(file.read_text().replace('"test":', '"tset":', 1))
    with opened(broken, allowed=("",)) as page:
        page.wait_for_selector(STANDS)
        assert "This page could not be shown" in page.locator("[role=alert].complaint").inner_text()
