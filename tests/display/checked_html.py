"""A reader of the HTML that objects show in a notebook, which is as strict as a notebook's user would be.

Read next: ``test_display.py``.
"""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from minigen_kernels import Array

TAGS = {"div", "span", "table", "thead", "tbody", "tr", "th", "td", "pre", "img", "progress"}
ATTRIBUTES = {"style", "title", "src", "alt", "width", "value", "max", "aria-label"}


class Checked(HTMLParser):
    """Every tag is closed, none of them loads or runs anything, and no colour hides the text.

    `text` is what is read, `rows` the cells of all tables, `pictures` the images as arrays with their descriptions.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.pictures: list[tuple[Array, str]] = []
        html.encode()  # halves of surrogate pairs would be no message
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        found = {name: value or "" for name, value in attrs}
        assert found.keys() <= ATTRIBUTES and "url(" not in found.get("style", "")
        for part in found.get("style", "").split(";"):
            key, _, colour = part.partition(":")
            assert key != "color" and (key != "background" or colour.startswith("rgba("))
        if tag == "img":
            head, data = found["src"].split(",")
            assert head == "data:image/png;base64" and found["alt"]
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
            self.pictures.append((picture, found["alt"]))
            return
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "
        if {"td", "th"} & {*self.open[-1:]}:
            self.rows[-1][-1] += data
