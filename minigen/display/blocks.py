"""The blocks of which the HTML of an object is made: a frame with a title, tables, notes. Self-contained, no scripts.

Colours are set only where they carry meaning, and then half transparent, over the notebook's own colours: it can be
read on a light and on a dark background. All text that comes in is escaped, and cut off where it is too long to show.

Imports: nothing of minigen. Read next: ``images.py``.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

CELL = "padding:1px 8px;text-align:left"
LONGEST = 1000  # characters of one text; what is longer is a file that somebody put into a name


def escape(text: object, longest: int = LONGEST) -> str:
    """Text as HTML; halves of surrogate pairs, which no message to a notebook can hold, as their numbers."""
    plain = str(text)
    if len(plain) > longest:
        plain = f"{plain[:longest]}... ({len(plain):,} characters)"
    return html.escape(plain.encode("utf-8", "backslashreplace").decode())


def safely(render: Callable[[Any], str], shown: Any) -> str:
    """What `render` makes of an object. If that fails, a note why: a cell of a notebook never stops at its output."""
    try:
        return render(shown)
    except Exception as error:
        return frame(type(shown).__name__, note(f"it cannot be shown: {type(error).__name__}: {_words(error)}"))


def frame(title: str, *parts: str, badge: Mark | None = None) -> str:
    """A title, with a coloured word before it, above parts, which are HTML. What is wider than the page is scrolled."""
    word = (
        "" if badge is None else f'<span style="{badge.style};border-radius:4px;padding:1px 6px">{escape(badge)}</span>'
    )
    return (
        '<div style="font-size:90%;line-height:1.5;max-width:100%;overflow-x:auto">'
        f'<div style="font-weight:600">{word}{escape(title)}</div>{"".join(parts)}</div>'
    )


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: int = 0) -> str:
    """A table; its last `numbers` columns stand to the right. A cell that is a `Mark` has its colour."""
    words = len(head) - numbers
    top = "".join(f'<th style="{_cell(i >= words)}">{escape(name)}</th>' for i, name in enumerate(head))
    lines = "".join(f"<tr>{''.join(_td(cell, _cell(i >= words)) for i, cell in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A table of what is known: a name and what it is, in each row."""
    name = f"{CELL};font-weight:600;vertical-align:top;white-space:nowrap"
    value = f"{CELL};white-space:pre-wrap"
    rows = "".join(f'<tr><td style="{name}">{escape(key)}</td>{_td(what, value)}</tr>' for key, what in pairs)
    return f"<table>{rows}</table>"


def note(text: object) -> str:
    """A line that is read last."""
    return f'<div style="opacity:.75">{escape(text)}</div>'


def lines(text: object) -> str:
    """Text whose columns stand below each other."""
    return f'<pre style="line-height:1.3;overflow-x:auto">{escape(text, LONGEST * 100)}</pre>'


class Mark(str):
    """The text of a cell that is to be seen at once, in a colour: red, or "R,G,B"."""

    color: str

    def __new__(cls, text: object, color: str = "218,54,51") -> Mark:
        """The text on that colour."""
        mark = super().__new__(cls, str(text))
        mark.color = color
        return mark

    @property
    def style(self) -> str:
        """As CSS."""
        return f"background:rgba({self.color},.25)"


class Lines(str):
    """A text of several lines, which a notebook shows as they are, without quotes and backslashes."""

    def _repr_html_(self) -> str:
        return lines(self)


def _cell(number: bool) -> str:
    return f"{CELL.replace('left', 'right')};white-space:nowrap" if number else CELL


def _td(cell: object, style: str) -> str:
    return f'<td style="{style}{";" + cell.style if isinstance(cell, Mark) else ""}">{escape(cell)}</td>'


def _words(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # an error of a user's own may fail at this, too
        return "it has no text"
