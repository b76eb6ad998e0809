"""The site: it builds without a warning, its links lead somewhere, a browser shows it from a folder, without network.

The slow tests build it; with MINIGEN_SITE they take the one that is built there (``python docs/make/site.py``).

Read next: ``docs/make/site.py``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages.browser import look, opened, screenshot

from docs.make import glossary, site
from docs.make.chapter import GUIDE, chapters
from docs.site import api, check
from docs.site.addresses import page_of
from docs.site.docstrings import as_rst

ROOT = Path(__file__).resolve().parents[2]


def test_every_link_of_the_markdown_leads_somewhere() -> None:
    faults = check.markdown_faults(check.markdown_files())
    assert not faults, "\n".join(faults)


def test_a_wrong_link_of_the_markdown_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# B\n\n## Some `code`, a word\n\n## Twice\n\n## Twice\n", encoding="utf-8")
    (tmp_path / "a.md").write_text(
        "# A\n\n[right](b.md#some-code-a-word) [right](b.md#twice-1) [right](#a) [right](https://example.org/x)\n\n"
        "[no file](c.md)\n\n[no heading](b.md#twice-2)\n\n![no picture](images/x.png)\n\n[no host](https://x)\n\n"
        "[no scheme](ftp://example.org)\n\n```text\n[in code](nowhere.md)\n```\n",
        encoding="utf-8",
    )
    faults = [fault.removeprefix(f"{tmp_path}/a.md:") for fault in check.markdown_faults([tmp_path / "a.md"])]
    assert faults == [
        "5: c.md: there is no such file",
        "7: b.md#twice-2: there is no such heading",
        "9: images/x.png: there is no such file",
        "11: https://x: no name of a host",
        "13: ftp://example.org: the scheme 'ftp'",
    ]


def test_a_wrong_link_of_a_site_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<p id="there">&lt;a href="text"></p>', encoding="utf-8")
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there"></a><a href="#own"></a><i id="own"></i><a href="https://example.org"></a>\n'
        '<a href="c.html"></a>\n<a href="b.html#not"></a>\n<img src="x.png">\n<a href="../d.html"></a>\n'
        '<a href="https://"></a>\n',
        encoding="utf-8",
    )
    faults = check.site_faults(tmp_path)
    assert [fault.split(":")[1] for fault in faults] == ["2", "3", "4", "5", "6"]
    assert "anchor" in faults[1] and "out of the site" in faults[3] and "host" in faults[4]


def test_what_is_collected_from_the_chapters_is_not_stale() -> None:
    for name in ("README.md", "glossary.md"):
        text = (GUIDE / name).read_text(encoding="utf-8")
        assert glossary.page(text) == text, "rewrite it: python docs/make/glossary.py"
        assert "<!-- end of " in text


def test_terms_lead_to_the_section_that_explains_them() -> None:
    guide = Path(__file__).parent / "chapters"
    assert "**square** - a number times itself. [1](01_right.md#1-a-right-chapter)" in glossary.terms(guide)
    assert "| [1. A right chapter](01_right.md) | How does a sum of squares fall? |" in glossary.table(guide)
    assert glossary.terms(guide).startswith("**derivative**")


def test_every_page_is_in_the_menu_once() -> None:
    menu = [name for patterns in site.MENU.values() for name in site._pages(patterns)]
    there = [page_of(path.relative_to(ROOT).as_posix()) for path in check.markdown_files()]
    assert sorted(menu) == sorted(name for name in there if name not in (None, "index"))
    assert menu[: len(chapters()) + 1] == ["docs/guide/README", *(f"docs/guide/{path.stem}" for path in chapters())]


def test_every_public_name_has_a_page() -> None:
    text = "\n".join(api.pages().values())
    for room in ("minigen", "minigen.ops", "minigen.nn", "minigen.losses", "minigen.optim", "minigen.metrics"):
        for name in api.names(importlib.import_module(room)):
            if f"{room}.{name}" not in api.ROOMS:
                assert len(re.findall(rf":: \S+\.{name}\n", text)) >= 1, f"{room}.{name}"
    assert "On other pages: :py:func:`draw <minigen.draw>`." in api.pages()["drawing"]


@pytest.mark.parametrize(
    ("text", "rst"),
    [
        ("The `size` of ``x[i]`` * x_i |a|.", "The \\ ``size``\\  of \\ ``x[i]``\\  \\* x\\_i \\|a\\|."),
        ("`x` first, **bold**", "``x``\\  first, \\ **bold**\\ "),
        ("Like this:\n\n    a = b_\n      c", "Like this:\n\n::\n\n    a = b_\n      c"),
        ("Two:\n- a `b\n  c` d\n- e_", "Two:\n\n- a \\ ``b c``\\  d\n\n- e\\_"),
        ("1. one\n   two\n2. three", "1. one\n   two\n\n2. three"),
        ("Takes\n- no list", "Takes\n\\- no list"),
        ("a: ends::", "a: ends:\\:"),
    ],
)
def test_docstrings_become_the_same_text(text: str, rst: str) -> None:
    assert as_rst(text) == rst


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(SystemExit, match="something else than a site"):
        site.build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_build_that_is_interrupted_leaves_the_site_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / ".buildinfo").write_text("", encoding="utf-8")
    (tmp_path / "site" / "index.html").write_text("of yesterday", encoding="utf-8")

    def half(command: list[str], **_: object) -> None:
        Path(command[-1]).mkdir()
        (Path(command[-1]) / "index.html").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "assemble", lambda source: None)
    monkeypatch.setattr(site.subprocess, "run", half)
    with pytest.raises(KeyboardInterrupt):
        site.build(tmp_path / "site")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "of yesterday"


def sphinx(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if os.environ.get("MINIGEN_SITE"):
        return Path(os.environ["MINIGEN_SITE"]).resolve()
    needs_sphinx()
    folder = tmp_path_factory.mktemp("site")
    site.build(folder)
    return folder


def needs_sphinx() -> None:
    missing = [
        name for name in ("sphinx", "furo", "myst_parser", "sphinx_copybutton") if not importlib.util.find_spec(name)
    ]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} are not installed, and CI is set: the site is not built here")
    if missing:
        pytest.skip(f"{missing} are not installed (pip install 'minigen-engine[docs]')")


@pytest.mark.slow
def test_the_build_fails_for_what_is_wrong_in_a_chapter(tmp_path: Path) -> None:
    needs_sphinx()
    source = tmp_path / "pages"
    (source / "docs" / "guide").mkdir(parents=True)
    (source / "index.md").write_text("# A\n\n```{toctree}\ndocs/guide/01_a\n```\n", encoding="utf-8")
    page = source / "docs" / "guide" / "01_a.md"
    page.write_text("# 1. A\n\n`mg.gradcheck`, `ops.conv2d` $x^2$ [x](../../minigen/atomic.py)\n", encoding="utf-8")
    done = sphinx(source, tmp_path / "right")
    assert done.returncode == 0, done.stderr
    page.write_text(
        "# 1. A\n\n`mg.gradchek`, `ops.conv3d` $\\nothing$ [x](../../minigen/nothing.py) `minigen/no.py`\n",
        encoding="utf-8",
    )
    done = sphinx(source, tmp_path / "wrong")
    assert done.returncode != 0
    for part in ("no 'gradchek'", "no 'conv3d'", "\\nothing", "minigen/nothing.py", "there is no minigen/no.py"):
        assert part in done.stderr, (part, done.stderr)


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(built: Path) -> None:
    faults = check.site_faults(built)
    assert not faults, "\n".join(faults)
    assert len(list(built.glob("docs/*.html"))) > 20 and (built / "kernels/minigen_kernels/cuda/conv.cu.html").is_file()


@pytest.mark.slow
def test_inline_code_leads_to_the_line_of_its_source(built: Path) -> None:
    page = (built / "docs" / "limits.html").read_text(encoding="utf-8")
    found = re.search(r'href="\.\./(minigen/ops/elementwise\.py)\.html#L-(\d+)"[^>]*><code[^>]*>.*?ops\.where', page)
    assert found is not None
    assert (ROOT / found[1]).read_text(encoding="utf-8").splitlines()[int(found[2]) - 1].startswith("def where(")
    source = (built / f"{found[1]}.html").read_text(encoding="utf-8")
    (line,) = re.findall(rf'<span id="L-{found[2]}">.*', source)
    assert "def where(" in re.sub("<[^>]+>", "", line)
    text = (built / "api" / "ops.html").read_text(encoding="utf-8")
    assert 'id="minigen.ops.conv2d"' in text and "../minigen/ops/conv.py.html#L-" in text


@pytest.mark.slow
def test_search_finds_without_a_network(built: Path) -> None:
    with opened(built / "index.html", width=1200, folder=built) as page:
        page.locator("input.sidebar-search").fill("batch norm")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results ul.search li a")
        titles = page.locator("#search-results ul.search li a").all_inner_texts()
        assert any("norm" in title.lower() for title in titles), titles
        screenshot(page, "site_search")
        page.locator("#search-results ul.search li a").first.click()
        page.wait_for_selector("article")
        assert "batch" in page.locator("article").inner_text().lower()


@pytest.mark.slow
def test_formulas_and_pictures_are_shown(built: Path) -> None:
    """Each formula has a size, and the parts of each fraction stand above each other: MathML is laid out."""
    for name in ["docs/guide/glossary", *(f"docs/guide/{path.stem}" for path in chapters())]:
        with opened(built / f"{name}.html", width=1200, folder=built) as page:
            boxes = page.locator("math").evaluate_all("all => all.map(m => m.getBoundingClientRect().toJSON())")
            assert boxes and all(box["width"] > 3 and box["height"] > 5 for box in boxes), name
            parts = page.locator("mfrac").evaluate_all(
                "all => all.map(f => [...f.children].map(c => c.getBoundingClientRect().toJSON()))"
            )
            assert all(above["bottom"] <= below["top"] + 2 for above, below in parts), name
            widths = page.locator("article img").evaluate_all("all => all.map(i => i.naturalWidth)")
            assert all(widths) and (widths or name.endswith("glossary")), name
            screenshot(page, f"site_{Path(name).name}")


@pytest.mark.slow
def test_no_page_scrolls_sideways_on_a_phone(built: Path) -> None:
    names = [path for path in sorted(built.rglob("*.html")) if path.relative_to(built).parts[0] in ("docs", "api")]
    for path in [built / "index.html", built / "minigen/ops/conv.py.html", built / "minigen/ops/index.html", *names]:
        with opened(path, width=360, height=640, folder=built) as page:
            widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert widths[0] <= widths[1] == 360, (path.relative_to(built), widths)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index.html", "docs/guide/README.html", "minigen/ops/conv.py.html"])
def test_dark_and_light(name: str, built: Path) -> None:
    shades = []
    for dark in (False, True):
        with opened(built / name, dark=dark, folder=built) as page:
            shades.append(float(np.median(look(page))))
            screenshot(page, f"site_{Path(name).stem}_{'dark' if dark else 'light'}")
    assert shades[0] > 200 and shades[1] < 60
