"""One HTML file from parts: nothing from elsewhere, and no text of a user's ends an element.

Read next: ``test_explore.py``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from minigen.pages import assemble
from minigen.pages.assemble import STATIC

SCRIPTS, SHEETS = sorted(STATIC.glob("*.js")), sorted(STATIC.glob("*.css"))


def test_the_payload_comes_back_whatever_it_holds() -> None:
    payload = {"</script><script>alert(1)</script>": ["<!--", "&amp;", "é\u2028", 1.5, None]}
    page = assemble("<b>&", styles=["style.css"], scripts=["base.js"], payload=payload)
    (text,) = re.findall(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text) == payload
    assert "<title>&lt;b&gt;&amp;</title>" in page and "alert(1)</script>" not in page


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError):
        assemble("", styles=[], scripts=[], payload={"x": float("nan")})


def test_a_script_that_ends_its_element_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.js").write_text('x = "</SCRIPT>"')
    monkeypatch.setattr(sys.modules["minigen.pages.assemble"], "STATIC", tmp_path)
    with pytest.raises(ValueError, match="bad.js: a script in a page must not contain"):
        assemble("", styles=[], scripts=["bad.js"], payload={})


@pytest.mark.parametrize("path", [*SCRIPTS, *SHEETS], ids=lambda path: path.name)
def test_a_file_is_short_says_what_it_is_and_asks_nobody(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 350, f"{path}: split it by subject"
    first = lines[0]
    assert first.startswith("// " if path.suffix == ".js" else "/* ") and len(first) > 30
    assert not re.findall(r"https?://(?!www\.w3\.org/)[\w.]+", re.sub(r"//.*|/\*.*?\*/", "", text))
    assert path.suffix == ".css" or '"use strict";' in text


def test_static_files_are_part_of_the_package() -> None:
    """A wheel holds all files of the packages that pyproject.toml names."""
    project = (STATIC.parents[2] / "pyproject.toml").read_text()
    assert '"minigen"' in re.search(r"packages = \[(.*?)\]", project)[1]
    assert STATIC.parent.name == "pages" and STATIC.parents[1].name == "minigen"
    assert not re.search(r"exclude", project)
