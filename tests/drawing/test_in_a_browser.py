"""A drawn file in a real browser, light and dark: words inside boxes in its own fonts, readable, selectable.

Read next: ``tests/pages/browser.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages.browser import opened

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Tensor

INSIDE = """() => [...document.querySelectorAll(".box:has(> title)")].filter(box => {
    const outer = box.querySelector("rect").getBBox();
    return [...box.querySelectorAll("text")].some(text => {
        const inner = text.getBBox();
        return inner.x < outer.x || inner.x + inner.width > outer.x + outer.width
            || inner.y < outer.y - 1 || inner.y + inner.height > outer.y + outer.height + 1;
    });
}).map(box => box.textContent)"""
#: The luminance of a CSS colour by the formula of WCAG 2, and the contrast of each text with the box that it stands in.
CONTRAST = """() => {
    const luminance = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const fill = one => luminance(getComputedStyle(one).fill);
    const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [...document.querySelectorAll(".box:has(> title)")].flatMap(box =>
        [...box.querySelectorAll("text")].map(text => contrast(fill(text), fill(box.querySelector("rect")))));
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_a_file_is_readable(tmp_path: Path, dark: bool) -> None:
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    net = nn.Sequential(nn.Dense(3, 4, rng=mg.Generator(0)), ops.tanh)
    y = net(x * Tensor(np.ones((2, 3), np.float32))).sum()
    (g,) = mg.grad(y, [x], create_graph=True)
    (h,) = mg.grad((g * g).sum(), [x], create_graph=True)
    path = tmp_path / "graph.svg"
    mg.draw([y, g, h], path, names={"net": net, "x": x, "a name of some length": g}, values=True)
    with opened(path, dark=dark) as page:
        assert page.evaluate(INSIDE) == []
        assert min(page.evaluate(CONTRAST)) > 4.5  # WCAG 2, level AA
        paper = page.evaluate("() => getComputedStyle(document.querySelector('.paper')).fill")
        assert (paper == "rgb(255, 255, 255)") is not dark
        assert "net.0.weight" in page.evaluate("""() => {
            getSelection().selectAllChildren(document.documentElement);
            return getSelection().toString();
        }""")
