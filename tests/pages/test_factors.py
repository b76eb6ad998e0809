"""The sliders that follow a factor of the data, of a beta-VAE on glyphs.

Read next: ``shown.py``, ``minigen/pages/static/panel_factors.js``.
"""

from __future__ import annotations

import numpy as np
import pytest
from pages.shown import assert_current, current, settled, shown, slide

from minigen.explore.factors import factor_directions


def test_a_slider_moves_the_code_along_its_factor() -> None:
    with shown("beta-vae") as (page, run):
        test = run.images("test")
        test = run.some(test, len(test))
        wanted = {one.name: one for one in factor_directions(run.encode(test), test.factors or {})}
        assert {"shift_x", "shift_y"} <= wanted.keys()
        assert page.locator("#panel-factors label").all_inner_texts() == list(wanted)
        start, _ = current(page)
        for name in ("shift_x", "shift_y"):
            one, (before, _) = wanted[name], current(page)
            slide(page, f"#factor-{name}", one.high)
            settled(page)
            code, _ = current(page)
            by = one.high - (one.weights @ before[0] + one.bias)
            np.testing.assert_allclose(
                code[0], before[0] + by * one.direction, atol=2e-2 * abs(one.direction * by).max()
            )
            assert float(one.weights @ code[0] + one.bias) == pytest.approx(one.high, abs=0.02 * (one.high - one.low))
            assert_current(page, run)
        page.click("#mean")
        settled(page)
        mean, _ = current(page)
        said = float(page.locator("#factor-shift_x").input_value())
        one = wanted["shift_x"]
        assert said == pytest.approx(float(one.weights @ mean[0] + one.bias), abs=0.02 * (one.high - one.low))
        share = f"the code tells {100 * one.r2:.0f} %"
        assert share in page.locator("#factor-shift_x").get_attribute("aria-label")
        assert abs(start - mean).max() > 0


def test_data_without_factors_has_no_such_panel() -> None:
    with shown("vae-2") as (page, _):
        assert page.locator("#panel-factors").count() == 0 or page.locator("#panel-factors input").count() > 0
