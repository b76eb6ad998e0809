"""The browser of the tests itself: it reads pixels, and finds foreign requests and what the console says.

Read next: ``../serving/test_server.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pages.browser import is_own, look, opened, pixels

from minigen.serving import Server

PAGE = """<!doctype html><link rel=icon href=data:,><style>body { margin: 0; background: rgb(9, 8, 7) }</style>
<canvas id=drawn width=4 height=2></canvas><script>
const context = document.getElementById("drawn").getContext("2d");
context.fillStyle = "rgb(1, 2, 3)";
context.fillRect(1, 0, 1, 1);
</script>"""


def test_pixels_of_a_canvas_and_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "a page.html"
    path.write_text(PAGE)
    with opened(path, width=400, height=300) as page:
        found = pixels(page, "#drawn")
        assert found.shape == (2, 4, 4) and found[0, 1].tolist() == [1, 2, 3, 255]
        assert found.sum() == 1 + 2 + 3 + 255
        assert look(page).shape == (300, 400, 3) and look(page)[-1, -1].tolist() == [9, 8, 7]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("fetch('http://192.0.2.1/').catch(() => 0)", "the page asked for .*192.0.2.1"),
        ("console.warn('strange')", "the console says .*warning: strange"),
        ("throw Error('strange')", "the console says .*error: .*strange"),
    ],
)
def test_a_foreign_request_or_a_word_on_the_console_fails(tmp_path: Path, wrong: str, told: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"{PAGE}<script>{wrong}</script>")
    with pytest.raises(AssertionError, match=told), opened(path) as page:
        page.wait_for_timeout(500)


def test_a_served_page_cannot_ask_elsewhere() -> None:
    with Server({"GET /": lambda request: PAGE}) as server, opened(server.url, allowed=("Content Security",)) as page:
        assert page.evaluate("fetch('http://192.0.2.1/').then(() => 1, () => 0)") == 0
        assert page.evaluate("fetch('/').then(answer => answer.status)") == 200


def test_what_is_a_pages_own() -> None:
    assert is_own("http://127.0.0.1:80/x?y", "http://127.0.0.1:80/")
    assert is_own("data:,", "file:///a.html") and is_own("blob:http://a/1", "http://a/")
    assert is_own("file:///a.html#x", "file:///a.html")
    assert not is_own("file:///b.js", "file:///a.html")
    assert not is_own("http://127.0.0.1:81/", "http://127.0.0.1:80/")
    assert not is_own("http://127.0.0.1.example.org/", "http://127.0.0.1/")
